package gemm

import "golang.org/x/sys/cpu"

// supported lists the kernels that run on this processor.
func supported() map[string]*kernel {
	list := map[string]*kernel{}
	if cpu.X86.HasAVX512F {
		list["AVX-512"] = &avx512
	}
	if hasAVX2() {
		list["AVX2"] = &avx2
	}
	return list
}
