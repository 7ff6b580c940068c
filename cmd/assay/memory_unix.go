//go:build unix

package main

import (
	"runtime"
	"syscall"
)

// peakMemory returns the largest resident set of this process in MB.
func peakMemory() *float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return nil
	}
	bytes := float64(usage.Maxrss)
	if runtime.GOOS != "darwin" { // which counts bytes; the others count kilobytes
		bytes *= 1024
	}
	mb := bytes / 1e6
	return &mb
}
