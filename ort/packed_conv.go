package ort

import (
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/gemm"
)

// weights returns a packed weight and its bias, inputs i and i+1, and how many
// inputs and outputs they have.
func (c *nodeCall) weights(context handle, i uintptr) (w, bias []float32, in, out int, err error) {
	if w, err = c.tensor(context, i, 3); err != nil {
		return nil, nil, 0, 0, err
	}
	if c.dims[2] != gemm.Panel {
		return nil, nil, 0, 0, fmt.Errorf("weights of shape %v, want panels of %d: %w", c.dims[:3], gemm.Panel, assay.ErrInvalid)
	}
	in = int(c.dims[1])
	bias, err = c.tensor(context, i+1, 1)
	return w, bias, in, len(bias), err
}

// separableChain takes a picture [1, 3, h, w]; the bound of results, the zeros
// before pictures, and the strides of the steps, the first included; its weight and
// bias; and four tensors for each of the others.
func (c *nodeCall) separableChain(context handle, threads int) error {
	plan, err := c.tensor(context, 1, 1)
	if err != nil {
		return err
	}
	x, err := c.tensor(context, 0, 4)
	if err != nil {
		return err
	}
	shape := c.dims
	if shape[0] != 1 || len(plan) < 3 {
		return fmt.Errorf("picture of shape %v and %d strides, want one picture and one stride at least: %w", shape, len(plan)-2, assay.ErrInvalid)
	}
	most, before, strides := plan[0], int(plan[1]), plan[2:]
	grid := func(h, w int, stride float32) gemm.Grid {
		g := gemm.Grid{Height: h, Width: w, Stride: int(stride), Before: 1}
		if g.Stride == 2 {
			g.Before = before
		}
		return g
	}
	chain := gemm.Chain{Steps: make([]gemm.Separable, len(strides)-1)}
	f := &chain.First
	*f = gemm.Convolution{Grid: grid(int(shape[2]), int(shape[3]), strides[0]), In: int(shape[1]), Most: most, Planes: true}
	if f.Weight, f.Bias, _, f.Out, err = c.weights(context, 2); err != nil {
		return err
	}
	last := gemm.Separable{Grid: f.Grid, Out: f.Out}
	for i := range chain.Steps {
		if last.Stride != 1 && last.Stride != 2 {
			break // Apply says it
		}
		h, w := last.Result()
		s := gemm.Separable{Grid: grid(h, w, strides[i+1]), Most: most}
		at := uintptr(4 + 4*i)
		if s.Deep, err = c.tensor(context, at, 3); err != nil {
			return err
		}
		if s.DeepBias, err = c.tensor(context, at+1, 1); err != nil {
			return err
		}
		if s.Weight, s.Bias, s.In, s.Out, err = c.weights(context, at+2); err != nil {
			return err
		}
		chain.Steps[i], last = s, s
	}
	h, w := last.Height/max(last.Stride, 1), last.Width/max(last.Stride, 1)
	y, err := c.result(context, 1, int64(h), int64(w), int64(last.Out))
	if err != nil {
		return err
	}
	return chain.Apply(y, x, threads)
}

// packedConv takes a picture, the weight and the bias, and whether the picture is in
// planes, whether it is halved, and whether the weight is Winograd's.
func (c *nodeCall) packedConv(context handle, threads int) error {
	plan, err := c.tensor(context, 3, 1)
	if err != nil {
		return err
	}
	if len(plan) != 3 {
		return fmt.Errorf("a plan of %d numbers, want 3: %w", len(plan), assay.ErrInvalid)
	}
	x, err := c.tensor(context, 0, 4)
	if err != nil {
		return err
	}
	shape := c.dims
	if shape[0] != 1 {
		return fmt.Errorf("pictures of shape %v, want one: %w", shape, assay.ErrInvalid)
	}
	v := gemm.Convolution{Planes: plan[0] != 0, Halved: plan[1] != 0, Winograd: plan[2] != 0, Most: float32(math.Inf(1))}
	v.Grid, v.In = gemm.Grid{Height: int(shape[1]), Width: int(shape[2]), Stride: 1, Before: 1}, int(shape[3])
	if v.Planes {
		v.Height, v.Width, v.In = int(shape[2]), int(shape[3]), int(shape[1])
	}
	if v.Winograd {
		if v.Weight, err = c.tensor(context, 1, 4); err != nil {
			return err
		}
		if c.dims[3] != gemm.Panel {
			return fmt.Errorf("weights of shape %v, want panels of %d: %w", c.dims, gemm.Panel, assay.ErrInvalid)
		}
		v.Bias, err = c.tensor(context, 2, 1)
	} else {
		v.Weight, v.Bias, _, _, err = c.weights(context, 1)
	}
	if err != nil {
		return err
	}
	v.Out = len(v.Bias)
	h, w := v.Seen().Result()
	y, err := c.result(context, 1, int64(h), int64(w), int64(v.Out))
	if err != nil {
		return err
	}
	return v.Apply(y, x, threads)
}
