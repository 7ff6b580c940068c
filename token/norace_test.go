//go:build !race

package token

const goldenStep = 1
