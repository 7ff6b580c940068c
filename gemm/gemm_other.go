//go:build !amd64

package gemm

// A kernel computes tiles of the result. There is none for this processor.
type kernel struct{}

func machine() *kernel { return nil }

func (*kernel) panels(Layer, []float32, []float32, int, int, int) {}

func (*kernel) heads(Attention, []float32, []float32, int, int, int) {}

func (*kernel) squares([]float32, []float32) {}

func (*kernel) apart([]float32, []float32, []float32, []float32, []float32, float32) {}

func (*kernel) chain(Chain, []float32, []float32, int) {}

func (*kernel) convolution(Convolution, []float32, []float32, int, int) {}

func (*kernel) winograd(Convolution, []float32, []float32, int, int) {}

func (*kernel) rowDistances(UnitDistance, []float32, []float32, []float32) {}
