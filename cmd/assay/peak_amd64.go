package main

import "golang.org/x/sys/cpu"

// fmaLanes is how many float32 one instruction of the peak loop works on: 16 with
// AVX-512, 8 with AVX2, 0 if this CPU has neither.
func fmaLanes() int {
	switch {
	case cpu.X86.HasAVX512F:
		return 16
	case cpu.X86.HasAVX2 && cpu.X86.HasFMA:
		return 8
	}
	return 0
}

// fmaLoop runs n rounds of twelve fused multiply-adds on fmaLanes numbers each.
func fmaLoop(n int) {
	if cpu.X86.HasAVX512F {
		fma512(n)
	} else {
		fma256(n)
	}
}

//go:noescape
func fma512(n int)

//go:noescape
func fma256(n int)
