package backbone

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/gemm"
	"github.com/gen-emerge/assay/weights"
)

// What this file computes goes into the digest that names an instrument's
// weights, so it must give the same bits on every processor. Go may fuse a
// product and a sum into one rounding on some; an explicit conversion around the
// product forbids it, and a product of two float32 in float64 is exact anyway.

// transposed returns the matrix [rows, cols] as [cols, rows].
func transposed(m []float32, rows, cols int) []float32 {
	t := make([]float32, len(m))
	for r := range rows {
		for c := range cols {
			t[c*rows+r] = m[r*cols+c]
		}
	}
	return t
}

// merged adds the adapter to the weight w [3·width, width] of a block. As in
// peft, the product B·A is rounded to float32 before it is scaled, and the scaled
// one before it is added; the product itself is summed in float64.
func (p plan) merged(s slot, w []float32) ([]float32, error) {
	_, number := star(s.name)
	block, err := strconv.Atoi(number)
	if err != nil {
		return nil, fmt.Errorf("tower %s: %s has no block number: %w", p.tower, s.name, assay.ErrInvalid)
	}
	a, err := p.lora.A(block)
	if err != nil {
		return nil, fmt.Errorf("tower %s, adapter of block %d: %w", p.tower, block, err)
	}
	b, err := p.lora.B(block)
	if err != nil {
		return nil, fmt.Errorf("tower %s, adapter of block %d: %w", p.tower, block, err)
	}
	out, in, rank := s.shape[0], s.shape[1], p.lora.Rank
	if len(a) != rank*in || len(b) != out*rank {
		return nil, fmt.Errorf("tower %s, adapter of block %d: %d and %d values, want A [%d %d] and B [%d %d]: %w",
			p.tower, block, len(a), len(b), rank, in, out, rank, assay.ErrInvalid)
	}
	sum := make([]float64, in)
	for r := range out {
		clear(sum)
		for k := range rank {
			f := float64(b[r*rank+k])
			for c, x := range a[k*in : (k+1)*in] {
				sum[c] += float64(f * float64(x))
			}
		}
		for c, x := range sum {
			w[r*in+c] += float32(float32(x) * p.lora.Scale)
		}
	}
	return w, nil
}

// interpolated resizes the positions of a square grid, from [1+from², width] to
// [1+to², width], as DINO and DINOv2 do: bicubic, a = −0.75, no antialiasing, the
// edge repeated, and with a tenth added to the new size, which keeps their
// rounding safe and shifts every coordinate. The first row, of the class token, is
// kept. Coordinates and factors are rounded to float32 where PyTorch rounds them.
func interpolated(v []float32, from, to, width int) []float32 {
	out := make([]float32, (1+to*to)*width)
	copy(out, v[:width])
	v = v[width:]
	taps := cubicTaps(from, to)
	line := make([]float64, 4*width) // the four rows of a window, each interpolated across
	for y, ty := range taps {
		for x, tx := range taps {
			clear(line)
			for i, row := range ty.at {
				for j, col := range tx.at {
					f := tx.factor[j]
					for c, p := range v[(row*from+col)*width : (row*from+col+1)*width] {
						line[i*width+c] += float64(f * float64(p))
					}
				}
			}
			to := out[(1+y*to+x)*width:][:width]
			for c := range to {
				sum := 0.0
				for i, f := range ty.factor {
					sum += float64(f * line[i*width+c])
				}
				to[c] = float32(sum)
			}
		}
	}
	return out
}

// A tap says from which four of the old positions along one side a new one comes.
type tap struct {
	at     [4]int
	factor [4]float64 // float32 values
}

// cubicTaps returns the taps of every new position along a side.
func cubicTaps(from, to int) []tap {
	// The scale is what PyTorch makes of the factor it is given: float64 division,
	// then float32.
	scale := float32(1 / ((float64(to) + 0.1) / float64(from)))
	taps := make([]tap, to)
	for d := range taps {
		// Rounded once, like the fused operation that PyTorch's kernel is compiled to.
		s := float32(float64(float64(scale)*(float64(d)+0.5)) - 0.5)
		first := math.Floor(float64(s))
		t := s - float32(first)
		for i := range 4 {
			taps[d].at[i] = min(max(int(first)-1+i, 0), from-1)
		}
		u := 1 - t
		for i, f := range [4]float32{cubicFar(t + 1), cubicNear(t), cubicNear(u), cubicFar(u + 1)} {
			taps[d].factor[i] = float64(f)
		}
	}
	return taps
}

// cubic is the a of the kernel that PyTorch's bicubic interpolation uses.
const cubic float32 = -0.75

// cubicNear is the kernel at a distance below 1.
func cubicNear(x float32) float32 {
	return float32(float32(float32(float32((cubic+2)*x)-(cubic+3))*x)*x) + 1
}

// cubicFar is the kernel at a distance from 1 to 2.
func cubicFar(x float32) float32 {
	y := float32(cubic*x) - 5*cubic
	y = float32(y*x) + 8*cubic
	return float32(y*x) - 4*cubic
}

// floats describes a tensor as it is.
func floats(s slot, values func() ([]float32, error)) weights.Piece {
	return weights.Piece{Name: s.name, Shape: s.shape, DType: "float32", Make: func() ([]byte, error) {
		v, err := values()
		if err != nil {
			return nil, err
		}
		return weights.Float32Bytes(v), nil
	}}
}

// packed describes a linear weight [out, in] in the form that package gemm reads.
func packed(s slot, values func() ([]float32, error)) weights.Piece {
	return packedPiece(floats(s, values), values)
}

// packedPiece describes a weight [out, ...] in that form; all that an output sees are
// its inputs, in their order.
func packedPiece(plain weights.Piece, values func() ([]float32, error)) weights.Piece {
	out, in := plain.Shape[0], volume(plain.Shape[1:])
	return weights.Piece{Name: plain.Name, Shape: gemm.PackedShape(out, in), DType: "float32", Of: &plain, Make: func() ([]byte, error) {
		w, err := values()
		if err != nil {
			return nil, err
		}
		return weights.Float32Bytes(gemm.Pack(w, out, in)), nil
	}}
}

// packedWindows describes a weight [out, in, 3, 3] in the form that package gemm
// reads for a picture whose channels lie beside each other: Winograd's if so asked.
func packedWindows(plain weights.Piece, winograd bool) weights.Piece {
	out, in, area := plain.Shape[0], plain.Shape[1], volume(plain.Shape[2:])
	p := weights.Piece{Name: plain.Name, Shape: gemm.PackedShape(out, in*area), DType: "float32", Of: &plain}
	if winograd {
		p.Shape = gemm.WinogradShape(out, in)
	}
	p.Make = func() ([]byte, error) {
		raw, err := plain.Make()
		if err != nil {
			return nil, err
		}
		w, turned := make([]float32, out*in*area), make([]float32, out*in*area)
		for i := range w {
			w[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
			turned[(i/(in*area)*area+i%area)*in+i/area%in] = w[i] // [out, place, in]
		}
		if winograd {
			return weights.Float32Bytes(gemm.PackWinograd(w, out, in)), nil
		}
		return weights.Float32Bytes(gemm.Pack(turned, out, in*area)), nil
	}
	return p
}

// packedDeep describes the weight [channels, 1, 3, 3] of windows that see one channel
// each in the form that package gemm reads.
func packedDeep(plain weights.Piece, values func() ([]float32, error)) weights.Piece {
	return weights.Piece{Name: plain.Name, Shape: gemm.DeepShape(plain.Shape[0]), DType: "float32", Of: &plain, Make: func() ([]byte, error) {
		w, err := values()
		if err != nil {
			return nil, err
		}
		return weights.Float32Bytes(gemm.PackDeep(w)), nil
	}}
}

// quantized describes a linear weight [out, in] as two pieces: name.weight [in,
// out] of int8, which is the transposed weight divided by its scale and rounded to
// the nearest integer, half to even; and name.scale [out], the largest magnitude
// of each output's weights over 127.
func quantized(s slot, values func() ([]float32, error)) []weights.Piece {
	out, in := s.shape[0], s.shape[1]
	return []weights.Piece{
		{Name: s.name, Shape: []int{in, out}, DType: "int8", Make: func() ([]byte, error) {
			w, err := values()
			if err != nil {
				return nil, err
			}
			raw := make([]byte, len(w))
			for r, scale := range rowScales(w, out, in) {
				for c, x := range w[r*in : (r+1)*in] {
					q := math.RoundToEven(float64(x / scale))
					raw[c*out+r] = byte(int8(min(max(q, -127), 127)))
				}
			}
			return raw, nil
		}},
		{Name: scaleName(s.name), Shape: []int{out}, DType: "float32", Make: func() ([]byte, error) {
			w, err := values()
			if err != nil {
				return nil, err
			}
			return weights.Float32Bytes(rowScales(w, out, in)), nil
		}},
	}
}

// rowScales returns the scale of every row of w [out, in]; rows of zeros get 1.
func rowScales(w []float32, out, in int) []float32 {
	scales := make([]float32, out)
	for r := range scales {
		var most float32
		for _, x := range w[r*in : (r+1)*in] {
			most = max(most, x, -x)
		}
		if scales[r] = most / 127; scales[r] == 0 {
			scales[r] = 1
		}
	}
	return scales
}

// scaleName returns the name of the scales of the weight with the given name.
func scaleName(weight string) string {
	const suffix = ".weight"
	return weight[:len(weight)-len(suffix)] + ".scale"
}
