//go:build !amd64

package stat

// kernels returns the micro-kernels that this processor can run, the fastest
// first. Elsewhere than on amd64 that is the one in Go, whose fused
// multiply-adds are single instructions on arm64, ppc64, s390x and riscv64.
func kernels() []kernel { return []kernel{kernelGo} }
