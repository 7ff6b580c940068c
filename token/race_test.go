//go:build race

package token

// The race detector makes the golden comparison ten times slower and finds nothing
// in it, which is one goroutine: it then sees every eighth string.
const goldenStep = 8
