// Package history keeps numbered records in a file.
package history
