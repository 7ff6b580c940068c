package weights

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/gen-emerge/assay"
)

// SyntheticMark is what a synthetic file says about itself, in the comment of a zip
// archive or under the key "synthetic" of a safetensors file's metadata.
func SyntheticMark(seed uint64) string {
	return fmt.Sprintf("assay synthetic %d, seed %d: generated values, not trained weights", synthVersion, seed)
}

// SyntheticPieces returns the tensors with their synthetic values under the seed,
// in the order of specs, to be handed to a writer. Values depend on the seed, the
// tensor's name and each value's index alone, so a tensor has the same values in
// every container that gives it the same name.
func SyntheticPieces(seed uint64, specs []TensorSpec) []Piece {
	pieces := make([]Piece, len(specs))
	for i, s := range specs {
		pieces[i] = Piece{Name: s.Name, Shape: s.Shape, DType: s.DType, Make: func() ([]byte, error) { return Synthesize(seed, s) }}
	}
	return pieces
}

// synthVersion is the number of the formula. Another formula gets another number:
// golden values and seeds in people's notes depend on it.
const synthVersion = 1

// Synthesize returns the tensor's synthetic values under the seed, little-endian
// and row-major, made on all cores. docs/synthetic.md has the formula, which any
// language can follow to the last bit.
//
// An error wraps [assay.ErrInvalid] if the type is not float32, float16, bfloat16
// or int64, if the kind of values is not known or not to be had in the type, or if
// the type cannot hold them.
func Synthesize(seed uint64, s TensorSpec) ([]byte, error) {
	if err := s.synthesizable(); err != nil {
		return nil, fmt.Errorf("synthetic tensor %.100q: %w: %w", s.Name, err, assay.ErrInvalid)
	}
	out := make([]byte, s.Bytes())
	g := synth{key: synthKey(seed, s.Name), mean: s.Init.Mean, step: s.Init.Scale / synthSigma}
	g.fill(out, dtype(s.DType), s.Init.Kind)
	return out, nil
}

// synthesizable checks that every value the spec can have fits its type.
func (s TensorSpec) synthesizable() error {
	for _, size := range s.Shape {
		if size < 0 {
			return fmt.Errorf("shape %v has a size out of range", s.Shape)
		}
	}
	most := 0.0 // largest magnitude
	switch s.Init.Kind {
	case InitNormal:
		if s.DType == "int64" {
			return fmt.Errorf("kind %q makes fractions, which int64 cannot hold", s.Init.Kind)
		}
		most = math.Abs(s.Init.Mean) + math.Abs(s.Init.Scale)*synthMid/synthSigma
	case InitConst:
		most = math.Abs(s.Init.Mean)
		if s.DType == "int64" && s.Init.Mean != math.Trunc(s.Init.Mean) {
			return fmt.Errorf("int64 cannot hold %v", s.Init.Mean)
		}
	case InitArange:
		most = float64(s.Elements())
	default:
		return fmt.Errorf("values of kind %q are not known; there are %s, %s and %s", s.Init.Kind, InitNormal, InitConst, InitArange)
	}
	limits, ok := synthLimits[dtype(s.DType)]
	if !ok {
		return fmt.Errorf("no synthetic values of type %q", s.DType)
	}
	limit := limits.finite
	if s.Init.Kind == InitArange {
		limit = limits.integer
	}
	if !(most <= limit) { // also NaN
		return fmt.Errorf("values up to %g: %s holds up to %g here", most, s.DType, limit)
	}
	return nil
}

// synthLimits gives, for each type that can be made, the largest magnitude, and
// the number up to which every integer is exact.
var synthLimits = map[dtype]struct{ finite, integer float64 }{
	"float32":  {math.MaxFloat32, 1 << 24},
	"float16":  {65504, 1 << 11},
	"bfloat16": {0x1.fep127, 1 << 8},
	"int64":    {1 << 53, 1 << 53},
}

// z is the sum of four independent uniform integers of 0 to 65535, less its mean,
// divided by its standard deviation: it lies within ±3.46.
const synthMid = 2 * 65535

// synthSigma is sqrt(4·(65536²−1)/12), rounded once.
var synthSigma = math.Sqrt(1431655765)

// golden is the increment of SplitMix64.
const golden = 0x9e3779b97f4a7c15

// synthKey starts a tensor's stream of numbers.
func synthKey(seed uint64, name string) uint64 {
	sum := sha256.Sum256(fmt.Appendf(nil, "assay synthetic %d\n%d\n%s", synthVersion, seed, name))
	return binary.LittleEndian.Uint64(sum[:])
}

// synth makes one tensor's values.
type synth struct {
	key  uint64
	mean float64
	step float64 // what one unit of the integer sum is worth
}

// synthBlock is how many values a core makes at a time.
const synthBlock = 1 << 16

// fill makes the values of out, in blocks that the cores take as they can.
func (g synth) fill(out []byte, d dtype, kind string) {
	block := synthBlock * int(d.size())
	blocks := (len(out) + block - 1) / block
	var next atomic.Int64
	work := func() {
		for {
			b := int(next.Add(1)) - 1
			if b >= blocks {
				return
			}
			g.block(out[b*block:min((b+1)*block, len(out))], d, kind, uint64(b)*synthBlock)
		}
	}
	var wait sync.WaitGroup
	for range min(blocks, runtime.GOMAXPROCS(0)) - 1 {
		wait.Go(work)
	}
	work()
	wait.Wait()
}

// block makes the values from index from on.
func (g synth) block(out []byte, d dtype, kind string, from uint64) {
	switch {
	case kind != InitNormal:
		g.plain(out, d, kind, from)
	case d == "float32":
		g.normal32(out, from)
	case d == "float16":
		g.normal16(out, from, half)
	case d == "bfloat16":
		g.normal16(out, from, brain)
	}
}

// sum returns the sum of the four 16-bit fields of the scrambled counter, less its
// mean. The scrambling is SplitMix64's.
func sum(state uint64) float64 {
	z := (state ^ state>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	const fields = 0x0000ffff0000ffff
	pairs := z&fields + z>>16&fields
	return float64(int32(pairs) + int32(pairs>>32) - synthMid)
}

func (g synth) normal32(out []byte, from uint64) {
	state := g.key + from*golden
	for len(out) >= 4 {
		state += golden
		v := g.mean + float64(g.step*sum(state)) // the conversion forbids a fused multiply-add, which rounds once less
		binary.LittleEndian.PutUint32(out, math.Float32bits(float32(v)))
		out = out[4:]
	}
}

func (g synth) normal16(out []byte, from uint64, to narrow) {
	state := g.key + from*golden
	for len(out) >= 2 {
		state += golden
		v := g.mean + float64(g.step*sum(state))
		binary.LittleEndian.PutUint16(out, to.bits(v))
		out = out[2:]
	}
}

// plain makes constants and counts.
func (g synth) plain(out []byte, d dtype, kind string, from uint64) {
	size := int(d.size())
	for i := 0; i*size < len(out); i++ {
		v := g.mean
		if kind == InitArange {
			v = float64(from + uint64(i))
		}
		at := out[i*size:]
		switch d {
		case "float32":
			binary.LittleEndian.PutUint32(at, math.Float32bits(float32(v)))
		case "float16":
			binary.LittleEndian.PutUint16(at, half.bits(v))
		case "bfloat16":
			binary.LittleEndian.PutUint16(at, brain.bits(v))
		case "int64":
			binary.LittleEndian.PutUint64(at, uint64(int64(v)))
		}
	}
}

// A narrow is a float of 16 bits.
type narrow struct {
	frac  uint   // fraction bits
	bias  int    // of the exponent
	least uint64 // the smallest normal number, as the bits of a float64
	inf   uint64 // infinity, as the bits of the type
}

var (
	half  = narrow{frac: 10, bias: 15, least: math.Float64bits(0x1p-14), inf: 0x7c00}
	brain = narrow{frac: 7, bias: 127, least: math.Float64bits(0x1p-126), inf: 0x7f80}
)

// bits rounds a number once, to the nearest, ties to even. It must not be NaN.
func (n narrow) bits(v float64) uint16 {
	all := math.Float64bits(v)
	sign, abs := uint16(all>>48)&0x8000, all&^(1<<63)
	if abs < n.least { // zero or subnormal: a whole number of the smallest steps
		return sign | uint16(math.RoundToEven(math.Ldexp(math.Abs(v), n.bias-1+int(n.frac))))
	}
	drop := 52 - n.frac
	abs += 1<<(drop-1) - 1 + abs>>drop&1
	return sign | uint16(min(abs>>drop-uint64(1023-n.bias)<<n.frac, n.inf))
}
