package main

import (
	"runtime"
	"sync"
	"time"
)

// fmaRounds is how long the loop is: some ten milliseconds.
const fmaRounds = 4_000_000

// fmaPeak returns the GFLOP/s of fused multiply-adds on all cores at once, the
// most that any program could reach here now; ok is false where it cannot be
// measured.
func fmaPeak() (gflops float64, ok bool) {
	lanes := fmaLanes()
	if lanes == 0 {
		return 0, false
	}
	var wg sync.WaitGroup
	start := time.Now()
	for range runtime.NumCPU() {
		wg.Go(func() { fmaLoop(fmaRounds) })
	}
	wg.Wait()
	const perRound = 12 * 2
	return float64(runtime.NumCPU()*fmaRounds*perRound*lanes) / time.Since(start).Seconds() / 1e9, true
}
