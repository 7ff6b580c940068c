//go:build !amd64

package main

// fmaLanes is 0 where there is no loop that reaches the arithmetic peak; the
// peak is then taken from the largest matrix product.
func fmaLanes() int { return 0 }

func fmaLoop(int) {}
