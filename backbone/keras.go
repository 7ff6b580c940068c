package backbone

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/weights"
)

// A kerasFit finds the tensors of a Keras file and remembers what is wrong.
type kerasFit struct {
	misfit
	src  Source
	at   map[[2]string]string // full name by layer and weight
	used map[string]bool
}

// index takes the names apart: "conv1/conv1/kernel:0" is the weight kernel of the
// layer conv1.
func (f *kerasFit) index() {
	for _, name := range f.src.Names() {
		layer, _, ok := strings.Cut(name, "/")
		last := name[strings.LastIndexByte(name, '/')+1:]
		key := [2]string{layer, strings.TrimSuffix(last, ":0")}
		if !ok {
			continue
		}
		if f.at[key] != "" {
			f.twice = append(f.twice, fmt.Sprintf("%q and %q", f.at[key], name))
		}
		f.at[key] = name
	}
}

// find returns the full name of a layer's weight, which may be called in several
// ways, and checks its shape.
func (f *kerasFit) find(layer string, shape []int, weight ...string) string {
	for _, w := range weight {
		name, ok := f.at[[2]string{layer, w}]
		if !ok {
			continue
		}
		f.used[name] = true
		f.need(f.src, name, shape)
		return name
	}
	f.missing = append(f.missing, fmt.Sprintf("%q %v", layer+"/…/"+weight[0]+":0", shape))
	return ""
}

// err says all that is wrong with the file.
func (f *kerasFit) err(who string) error {
	f.others(f.src, func(name string) bool { return f.used[name] })
	return f.misfit.err(who)
}

// values reads a tensor, which has n values.
func (f *kerasFit) values(name string, n int) ([]float32, error) {
	v, err := f.src.Float32(name)
	if err == nil && len(v) != n {
		err = fmt.Errorf("tensor %q has %d values, want %d: %w", name, len(v), n, assay.ErrInvalid)
	}
	return v, err
}

// folded are the weight and bias of a convolution that its batch norm has become
// part of: w·γ/√(σ²+ε) and β − μ·γ/√(σ²+ε), in double precision, rounded once.
func (f *kerasFit) folded(c mobileConv, p nn.Precision) []weights.Piece {
	kernels := []string{"kernel"}
	if c.alone {
		kernels = []string{"depthwise_kernel", "kernel"} // Keras 3 calls both alike
	}
	kernel := f.find(c.layer, c.kerasShape(), kernels...)
	var norm [4]string
	for i, w := range []string{"gamma", "beta", "moving_mean", "moving_variance"} {
		norm[i] = f.find(c.layer+"_bn", []int{c.out}, w)
	}
	scales := func() (scale, bias []float64, err error) { return f.scales(norm, c.out) }
	weight := func() ([]float32, error) {
		k, err := f.values(kernel, volume(c.kerasShape()))
		if err != nil {
			return nil, err
		}
		scale, _, err := scales()
		if err != nil {
			return nil, err
		}
		// Keras' [place, in, out] becomes [out, in, place]; with every channel by
		// itself there is one in.
		places, ins := c.side*c.side, volume(c.kerasShape())/(c.side*c.side*c.out)
		out := make([]float32, len(k))
		for p := range places {
			for i := range ins {
				for o, s := range scale {
					out[(o*ins+i)*places+p] = float32(float64(k[(p*ins+i)*c.out+o]) * s)
				}
			}
		}
		return out, nil
	}
	bias := func() ([]float32, error) {
		_, b, err := scales()
		out := make([]float32, len(b))
		for i, x := range b {
			out[i] = float32(x)
		}
		return out, err
	}
	w := piece(c.name+".weight", weight, c.shape()...)
	switch {
	case p == nn.Packed && c.alone:
		w = packedDeep(w, weight)
	case p == nn.Packed:
		w = packedPiece(w, weight)
	}
	return []weights.Piece{w, piece(c.name+".bias", bias, c.out)}
}

// scales are what a batch norm of n channels multiplies with and adds. norm names its
// γ, β, mean and variance.
func (f *kerasFit) scales(norm [4]string, n int) (scale, bias []float64, err error) {
	var v [4][]float32
	for i, name := range norm {
		if v[i], err = f.values(name, n); err != nil {
			return nil, nil, err
		}
	}
	scale, bias = make([]float64, n), make([]float64, n)
	for i := range scale {
		if variance := float64(v[3][i]); !(variance >= 0) {
			return nil, nil, fmt.Errorf("tensor %q: value %d is %v, and no variance is: %w", norm[3], i, variance, assay.ErrInvalid)
		}
		scale[i] = float64(v[0][i]) / math.Sqrt(float64(v[3][i])+mobileEps)
		bias[i] = float64(v[1][i]) - float64(float64(v[2][i])*scale[i])
	}
	return scale, bias, nil
}

// dense are the weight, turned to [out, in], and bias of the layer that has a
// kernel of its shape, whatever it is called.
func (f *kerasFit) dense(classes int) []weights.Piece {
	known := map[string]bool{}
	for _, c := range mobileConvs() {
		known[c.layer], known[c.layer+"_bn"] = true, true
	}
	layer := "dense_1"
	for _, name := range f.src.Names() {
		shape, _ := f.src.Shape(name)
		if l, _, ok := strings.Cut(name, "/"); ok && !known[l] && slices.Equal(shape, []int{mobileLast, classes}) {
			layer = l
		}
	}
	kernel := f.find(layer, []int{mobileLast, classes}, "kernel")
	bias := f.find(layer, []int{classes}, "bias")
	return []weights.Piece{
		piece("dense.weight", func() ([]float32, error) {
			v, err := f.values(kernel, mobileLast*classes)
			if err != nil {
				return nil, err
			}
			return transposed(v, mobileLast, classes), nil
		}, classes, mobileLast),
		piece("dense.bias", func() ([]float32, error) { return f.values(bias, classes) }, classes),
	}
}
