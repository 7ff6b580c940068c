//go:build !unix

package main

// peakMemory returns nil: this system does not say.
func peakMemory() *float64 { return nil }
