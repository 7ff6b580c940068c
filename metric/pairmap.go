package metric

import (
	"context"
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/onnx"
)

// A PairMap says where two pictures differ: at each pixel, what the instrument sees
// of a difference there, in the units of its distance. Its mean is close to the
// distance, and not the same: the distance is a sum of means over layers of
// different sizes.
type PairMap struct {
	Width, Height int       // of the pictures as the instrument compares them
	Values        []float32 // row-major, not negative
}

// Max returns the largest value, 0 of an empty map.
func (m PairMap) Max() float32 {
	most := float32(0)
	for _, v := range m.Values {
		most = max(most, v)
	}
	return most
}

// Maps reports whether in can say where two pictures differ.
func (in *Instrument) Maps() bool { return in.chart != nil }

// Map reads a pair of pictures, as [Instrument.Distance] does, and says where they
// differ. Reading and errors are those of Distance; it also fails, wrapping
// [assay.ErrInvalid], if in has no maps ([Instrument.Maps] tells).
func (in *Instrument) Map(ctx context.Context, a, b *Picture) (assay.Reading, PairMap, error) {
	if in.chart == nil {
		return assay.Reading{}, PairMap{}, fmt.Errorf("%s has no map of where two images differ; those of LPIPS have: %w", in.Name, assay.ErrInvalid)
	}
	for _, p := range []*Picture{a, b} {
		if err := in.ready(ctx, p); err != nil {
			return assay.Reading{}, PairMap{}, err
		}
	}
	value, m, err := in.chart(ctx, a, b)
	r, err := in.reading(value, nil, err)
	if err != nil {
		return assay.Reading{}, PairMap{}, err
	}
	for i, v := range m.Values {
		if v-v != 0 {
			return assay.Reading{}, PairMap{}, fmt.Errorf("%s: pixel %d of the map is %v", in.Name, i, v)
		}
	}
	return r, m, nil
}

// upsampled adds planes [1, 1, h', w'] up to one of w×h, each interpolated as
// PyTorch does with mode bilinear and align_corners=False: pixel centres at one
// half, the edge repeated. It sums in float64 and rounds once.
func upsampled(w, h int, planes []onnx.Tensor) (PairMap, error) {
	sum := make([]float64, w*h)
	for _, p := range planes {
		if len(p.Shape) != 4 || p.Shape[2]*p.Shape[3] != len(p.Data) || len(p.Data) == 0 {
			return PairMap{}, fmt.Errorf("a layer's map has shape %v: %w", p.Shape, assay.ErrInvalid)
		}
		across, down := mixes(p.Shape[3], w), mixes(p.Shape[2], h)
		for y, d := range down {
			top, bottom := p.Data[d.lo*p.Shape[3]:], p.Data[d.hi*p.Shape[3]:]
			line := sum[y*w : (y+1)*w]
			for x, a := range across {
				upper := float64((1-a.part)*float64(top[a.lo])) + float64(a.part*float64(top[a.hi]))
				lower := float64((1-a.part)*float64(bottom[a.lo])) + float64(a.part*float64(bottom[a.hi]))
				line[x] += float64((1-d.part)*upper) + float64(d.part*lower)
			}
		}
	}
	m := PairMap{Width: w, Height: h, Values: make([]float32, w*h)}
	for i, v := range sum {
		m.Values[i] = float32(v)
	}
	return m, nil
}

// A mix is a place between two samples: part of the way from lo to hi.
type mix struct {
	lo, hi int
	part   float64 // in [0, 1)
}

// mixes finds the place of each of out samples on an axis of in samples.
func mixes(in, out int) []mix {
	list := make([]mix, out)
	for i := range list {
		at := max(float64((float64(i)+0.5)*float64(in))/float64(out)-0.5, 0)
		lo := min(int(math.Floor(at)), in-1)
		list[i] = mix{lo, min(lo+1, in-1), at - float64(lo)}
	}
	return list
}
