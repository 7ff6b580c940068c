package metric

import (
	"context"
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/weights"
)

// brisqueSpec is the LIVE release of 2012 with its own support vectors.
var brisqueSpec = Spec{
	Name:        "brisque",
	Version:     1,
	Kind:        OfImage,
	Better:      LowerIsBetter,
	Lo:          math.Inf(-1),
	Hi:          math.Inf(1),
	MinSide:     32,
	Preparation: "Pillow L, native size, scales 1 and 1/2 (MATLAB bicubic)",
	Models:      []string{"brisque"},
	Doc: "Opinion score (DMOS, about 0 for the best and 100 for the worst) that a support vector machine reads " +
		"from the image's natural-scene statistics.",
	Source: "Mittal, Moorthy, Bovik: No-reference image quality assessment in the spatial domain, IEEE TIP 21(12), 2012; " +
		"LIVE release (774 support vectors, trained on the LIVE database), not MATLAB's built-in brisque, whose model differs",
	Agreement: "published values of the LIVE release on five TID2013 images (94.642, −0.108, 0.993, 5.358, 72.262): " +
		"within 0.25; piq's on I01 (10.2594) and goldhill (8.4255): within 0.001",
}

const brisqueFeatures = 36 // 18 at each of two scales

// brisqueRange is the lowest and highest value of each statistic over the
// database that the support vectors were trained on: the file allrange of the
// LIVE release, which the statistics are scaled by.
var brisqueRange = [brisqueFeatures][2]float64{
	{0.338, 10}, {0.017204, 0.806612},
	{0.236, 1.642}, {-0.123884, 0.20293}, {0.000155, 0.712298}, {0.001122, 0.470257},
	{0.244, 1.641}, {-0.123586, 0.179083}, {0.000152, 0.710456}, {0.000975, 0.470984},
	{0.249, 1.555}, {-0.135687, 0.100858}, {0.000174, 0.684173}, {0.000913, 0.534174},
	{0.258, 1.561}, {-0.143408, 0.100486}, {0.000179, 0.685696}, {0.000888, 0.536508},
	{0.471, 3.264}, {0.012809, 0.703171},
	{0.218, 1.046}, {-0.094876, 0.187459}, {1.5e-05, 0.442057}, {0.001272, 0.40803},
	{0.222, 1.042}, {-0.115772, 0.162604}, {1.6e-05, 0.444362}, {0.001374, 0.40243},
	{0.227, 0.996}, {-0.117188, 0.098323}, {3e-05, 0.531903}, {0.001122, 0.369589},
	{0.228, 0.99}, {-0.12243, 0.098658}, {2.8e-05, 0.530092}, {0.001118, 0.370399},
}

// brisqueFlat is the share of samples in flat areas from which a reading
// carries a warning. There the statistics read the sign of rounding errors, as
// they do in the release: of five TID2013 images, leaving flat samples out
// moved the one with 30 % of them by 2, and none with 2 % by more than 0.6.
const brisqueFlat = 0.05

// flatSample is the size below which an MSCN value is rounding; see niqeSnap.
const flatSample = 1e-9

// OpenBRISQUE returns the brisque instrument, whose scores the given support
// vectors read from the image's statistics, scaled to about [−1, 1]. It fails,
// wrapping [assay.ErrInvalid], unless the vectors have 36 values. The caller
// must not change svr afterwards.
func OpenBRISQUE(svr *weights.SVR) (*Instrument, error) {
	if svr.Dim() != brisqueFeatures {
		return nil, fmt.Errorf("brisque: support vectors have %d values, want %d: %w", svr.Dim(), brisqueFeatures, assay.ErrInvalid)
	}
	return &Instrument{
		Spec: brisqueSpec, Checkpoint: svr.Digest(), Runtime: goRuntime,
		measure: func(ctx context.Context, p *Picture) (float64, []string, error) {
			x, warnings, err := brisqueStatistics(ctx, p)
			if err != nil {
				return 0, nil, err
			}
			for i, r := range brisqueRange {
				x[i] = 2*(x[i]-r[0])/(r[1]-r[0]) - 1
			}
			return svr.Predict(x[:]), warnings, nil
		},
	}, nil
}

// brisqueStatistics returns the 36 statistics, unscaled.
func brisqueStatistics(ctx context.Context, p *Picture) (x [brisqueFeatures]float64, warnings []string, err error) {
	const each = brisqueFeatures / 2
	grey := p.grey()
	plane := mscn(grey, p.Width, p.Height, p.Width, zeros, 0)
	flat := 0
	for _, v := range plane {
		if math.Abs(v) < flatSample {
			flat++
		}
	}
	if share := float64(flat) / float64(len(plane)); share >= brisqueFlat {
		warnings = append(warnings, fmt.Sprintf(
			"%.0f %% of the image is perfectly flat, where BRISQUE reads rounding errors: the value may be off by several points", 100*share))
	}
	if err := regionStatistics(x[:each], plane, p.Width, p.Height); err != nil {
		return x, nil, err
	}
	if err := ctx.Err(); err != nil {
		return x, nil, err
	}
	small, w, h := half(grey, p.Width, p.Height, p.Width)
	return x, warnings, regionStatistics(x[each:], mscn(small, w, h, w, zeros, 0), w, h)
}

// regionStatistics writes shape and variance of the MSCN values, then shape,
// mean, left and right variance for each of four neighbours: 18 numbers.
func regionStatistics(dst []float64, plane []float64, w, h int) error {
	m := neighbours(plane, w, h, w)
	if m[self].abs == 0 {
		return fmt.Errorf("brisque: the image is black, which has no statistics: %w", assay.ErrInvalid)
	}
	dst[0], dst[1] = m[self].symmetric()
	for i := horizontal; i < sets; i++ {
		shape, left, right, ok := m[i].asymmetric()
		if !ok {
			return fmt.Errorf("brisque: the image is too even: its neighbouring pixels never differ in sense: %w", assay.ErrInvalid)
		}
		g1 := math.Gamma(1 / shape)
		mean := (right - left) * (math.Gamma(2/shape) / g1) * math.Sqrt(g1/math.Gamma(3/shape))
		copy(dst[2+4*(i-1):], []float64{shape, mean, left * left, right * right})
	}
	return nil
}
