//go:build !nolab && !slow

package lab

// seedsTried is how many other seeds a proof is tried with.
const seedsTried = 7
