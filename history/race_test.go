//go:build race

package history

// SQLite is some twenty times slower with the race detector, which looks at every
// byte that it touches: there a fraction of the rounds must do.
const rounds = 8
