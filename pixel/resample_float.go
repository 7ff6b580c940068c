package pixel

import (
	"fmt"

	"github.com/gen-emerge/assay"
)

// ResizeFloat resizes planar float32 samples, [channels, h, w] to
// [channels, outH, outW], as Pillow resizes images of its mode F: weights and
// sums in double precision, each of the two passes stored as float32, nothing
// clipped or rounded. It is the resizer of clean-fid (Parmar et al. 2022),
// which then clips to [0, 255]; see python-pillow/Pillow issue 7184 for how far
// it is from the 8-bit one. If neither side changes, src itself is returned.
//
// The error wraps [assay.ErrInvalid] if a side or channels is not positive,
// len(src) is not channels·h·w, f is not a filter, or the result would hold
// more than 2^20 samples a side or 2^28 in all.
func ResizeFloat(src []float32, w, h, channels, outW, outH int, f Filter) ([]float32, error) {
	if err := agree(src, w, h, channels, outW, outH); err != nil {
		return nil, err
	}
	kern, err := f.kernel()
	if err != nil {
		return nil, err
	}
	if w == outW && h == outH {
		return src, nil
	}
	store := func(sum float64) float32 { return float32(sum) }
	out := make([]float32, 0, channels*outW*outH)
	for c := range channels {
		plane := src[c*w*h : (c+1)*w*h]
		if f == Nearest {
			out = append(out, gather(plane, w, 1, nearestScaled(w, outW), nearestScaled(h, outH))...)
			continue
		}
		if w != outW {
			plane = acrossWide(plane, w, newTaps(w, outW, kern), store)
		}
		if h != outH {
			plane = downWide(plane, outW, newTaps(h, outH, kern), store)
		}
		out = append(out, plane...)
	}
	return out, nil
}

// TorchBilinear resizes planar float32 samples, [channels, h, w] to
// [channels, outH, outW], as torch.nn.functional.interpolate does with
// mode="bilinear", align_corners=False and no antialiasing: pixel centres at
// one half, source coordinates not below 0. pytorch-fid resizes so. Its errors
// are those of [ResizeFloat].
func TorchBilinear(src []float32, w, h, channels, outW, outH int) ([]float32, error) {
	at := func(i int, scale float32) float32 {
		return max(float32(scale*(float32(i)+0.5))-0.5, 0)
	}
	mix := func(a, b, part float32) float32 {
		return float32((1-part)*a) + float32(part*b)
	}
	return interpolate(src, w, h, channels, outW, outH, at, mix)
}

// TF1Bilinear resizes planar float32 samples, [channels, h, w] to
// [channels, outH, outW], as TensorFlow 1's resize_bilinear does with
// align_corners=False: the source coordinate is the index times the scale, with
// no half pixel, which shifts the image. The first FID implementation (TTUR),
// torch-fidelity and torchmetrics resize so. Its errors are those of
// [ResizeFloat].
func TF1Bilinear(src []float32, w, h, channels, outW, outH int) ([]float32, error) {
	at := func(i int, scale float32) float32 { return float32(float32(i) * scale) }
	mix := func(a, b, part float32) float32 { return a + float32((b-a)*part) }
	return interpolate(src, w, h, channels, outW, outH, at, mix)
}

// A between is a place between two samples: part of the way from lo to hi.
type between struct {
	lo, hi int
	part   float32 // in [0, 1)
}

// betweens finds the place of each of out samples on an axis of in samples.
func betweens(in, out int, at func(i int, scale float32) float32) []between {
	scale := float32(in) / float32(out)
	b := make([]between, out)
	for i := range b {
		p := at(i, scale)
		lo := min(int(p), in-1)
		b[i] = between{lo, min(lo+1, in-1), p - float32(lo)}
	}
	return b
}

// interpolate makes each sample from its four neighbours, across first. The
// products in at and mix are converted so that they are never fused with sums.
func interpolate(
	src []float32, w, h, channels, outW, outH int,
	at func(i int, scale float32) float32, mix func(a, b, part float32) float32,
) ([]float32, error) {
	if err := agree(src, w, h, channels, outW, outH); err != nil {
		return nil, err
	}
	cols, rows := betweens(w, outW, at), betweens(h, outH, at)
	out := make([]float32, 0, channels*outW*outH)
	for c := range channels {
		plane := src[c*w*h : (c+1)*w*h]
		for _, r := range rows {
			top, bottom := plane[r.lo*w:(r.lo+1)*w], plane[r.hi*w:(r.hi+1)*w]
			for _, x := range cols {
				out = append(out, mix(
					mix(top[x.lo], top[x.hi], x.part),
					mix(bottom[x.lo], bottom[x.hi], x.part), r.part))
			}
		}
	}
	return out, nil
}

func agree(src []float32, w, h, channels, outW, outH int) error {
	if w <= 0 || h <= 0 || channels <= 0 || len(src)/channels/w != h || len(src) != w*h*channels {
		return fmt.Errorf("resize %d samples as %d planes of %d×%d: sizes must be positive and agree: %w",
			len(src), channels, w, h, assay.ErrInvalid)
	}
	return resizable(outW, outH, channels)
}
