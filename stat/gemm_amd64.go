package stat

import "golang.org/x/sys/cpu"

// kernels returns the micro-kernels that this processor can run, the fastest
// first; the one in Go is always the last.
func kernels() []kernel {
	var k []kernel
	if cpu.X86.HasAVX512F {
		k = append(k, kernel{name: "avx512", mr: 12, nr: 16, tile: tile512, axpy: axpy512, dot: dot512})
	}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		k = append(k, kernel{name: "avx2", mr: 6, nr: 8, tile: tile256, axpy: axpy256, dot: dot256})
	}
	return append(k, kernelGo)
}

//go:noescape
func tile512(k int, a, b, c *float64, ldc int)

//go:noescape
func tile256(k int, a, b, c *float64, ldc int)

//go:noescape
func axpy512(n int, a *float64, lda int, coef *[8]float64, y *float64)

//go:noescape
func axpy256(n int, a *float64, lda int, coef *[8]float64, y *float64)

//go:noescape
func dot512(n int, a *float64, lda int, x *float64, lanes *[64]float64)

//go:noescape
func dot256(n int, a *float64, lda int, x *float64, lanes *[64]float64)
