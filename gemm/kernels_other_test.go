//go:build !amd64

package gemm

func supported() map[string]*kernel { return nil }
