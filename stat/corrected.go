package stat

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/gen-emerge/assay"
)

// leastYouden is what sensitivity + specificity must exceed for a share to be
// corrected: nearer to 1 the correction multiplies the doubt tenfold and more.
const leastYouden = 1.1

// RoganGladen returns the share of things that are positive, from the share that
// a fallible judge calls positive and the judge's sensitivity and specificity
// (Rogan and Gladen 1978): (share + spec - 1)/(sens + spec - 1). Where the judge's
// rates cannot have given the share, the nearest share that is possible is
// returned: 0 or 1. A judge with sens + spec of 1.1 or less says too little to be
// corrected; that, and numbers outside [0,1], are errors wrapping
// [assay.ErrInvalid].
func RoganGladen(share, sens, spec float64) (float64, error) {
	for _, x := range []struct {
		name string
		v    float64
	}{{"share", share}, {"sensitivity", sens}, {"specificity", spec}} {
		if !(x.v >= 0 && x.v <= 1) {
			return 0, fmt.Errorf("corrected prevalence: %s %g: want 0 to 1: %w", x.name, x.v, assay.ErrInvalid)
		}
	}
	if sens+spec <= leastYouden {
		return 0, fmt.Errorf("corrected prevalence: sensitivity %.3g and specificity %.3g sum to %.3g: above %g is needed, or the judge's answers say next to nothing: %w",
			sens, spec, sens+spec, leastYouden, assay.ErrInvalid)
	}
	return min(1, max(0, (share+spec-1)/(sens+spec-1))), nil
}

// A Count is k of n.
type Count struct {
	K int `json:"k"`
	N int `json:"n"`
}

// A Prevalence is a corrected share with its interval.
type Prevalence struct {
	Value    float64  // in [0,1]
	Interval Interval // in [0,1]
}

// CorrectedPrevalence is [RoganGladen] where all three shares were counted:
// positive of the things judged, found of things known to be positive, cleared of
// things known to be negative. The interval of level conf is that of Lang and
// Reiczigel (2014), which carries the doubt of all three. Impossible counts and
// levels, and rates that [RoganGladen] refuses, are errors wrapping
// [assay.ErrInvalid].
func CorrectedPrevalence(positive, found, cleared Count, conf float64) (Prevalence, error) {
	for _, c := range []Count{positive, found, cleared} {
		if err := checkCounts("corrected prevalence", c.K, c.N, conf); err != nil {
			return Prevalence{}, err
		}
	}
	share := func(c Count) float64 { return float64(c.K) / float64(c.N) }
	value, err := RoganGladen(share(positive), share(found), share(cleared))
	if err != nil {
		return Prevalence{}, err
	}
	z := distuv.UnitNormal.Quantile(0.5 + conf/2)
	n, m0, m1 := float64(positive.N)+z*z, float64(found.N)+2, float64(cleared.N)+2
	p := (float64(positive.K) + z*z/2) / n
	sens := (float64(found.K) + 1) / m0
	spec := (float64(cleared.K) + 1) / m1
	j := sens + spec - 1
	if j <= 0 {
		return Prevalence{}, fmt.Errorf("corrected prevalence: %d of %d and %d of %d known answers are too few for an interval: %w", found.K, found.N, cleared.K, cleared.N, assay.ErrInvalid)
	}
	centre := (p + spec - 1) / j
	shift := 2 * z * z * (centre*sens*(1-sens)/m0 - (1-centre)*spec*(1-spec)/m1)
	half := z / j * math.Sqrt(p*(1-p)/n+centre*centre*sens*(1-sens)/m0+(1-centre)*(1-centre)*spec*(1-spec)/m1)
	clip := func(x float64) float64 { return min(1, max(0, x)) }
	return Prevalence{value, Interval{clip(centre + shift - half), clip(centre + shift + half)}}, nil
}

// A PoweredMean is a mean that rests on many judged things and few labelled ones.
type PoweredMean struct {
	Value    float64  // in the unit of the labels
	Interval Interval // of level conf, by the normal law, same unit
	Variance float64  // of Value: the sum of the next two, same unit squared
	Judged   float64  // part of Variance that more judged things lessen
	Labelled float64  // part of Variance that more labels lessen
	Warnings []error  // doubts to show beside the numbers, which still stand
}

// PredictionPowered returns the prediction-powered mean of Angelopoulos, Bates,
// Fannjiang, Jordan and Zrnic (2023): the mean of what a judge says of things
// without labels, put right by the mean of label - said over the things that
// have one. It is unbiased however bad the judge is; a good judge only makes it
// sharper. said and labels belong to the same things; unlabelled are other things
// of the same kind. Fewer than two of either, lengths that differ, values that are
// not finite and impossible levels are errors wrapping [assay.ErrInvalid].
func PredictionPowered(unlabelled, said, labels []float64, conf float64) (PoweredMean, error) {
	const what = "prediction-powered mean"
	if err := checkPaired(what, said, labels); err != nil {
		return PoweredMean{}, err
	}
	if err := checkSample(what, unlabelled, 2); err != nil {
		return PoweredMean{}, err
	}
	if err := checkOpen(what, "confidence", conf); err != nil {
		return PoweredMean{}, err
	}
	off := make([]float64, len(said))
	for i := range off {
		off[i] = labels[i] - said[i]
	}
	mean, judged := meanVariance(unlabelled)
	shift, labelled := meanVariance(off)
	out := PoweredMean{Value: mean + shift, Judged: judged, Labelled: labelled, Variance: judged + labelled}
	half := distuv.UnitNormal.Quantile(0.5+conf/2) * math.Sqrt(out.Variance)
	out.Interval = Interval{out.Value - half, out.Value + half}
	if len(labels) < 30 {
		out.Warnings = append(out.Warnings, fmt.Errorf("%d labels: the interval rests on the normal law and is likely too narrow below 30", len(labels)))
	}
	if labelled == 0 {
		out.Warnings = append(out.Warnings, fmt.Errorf("the judge is off by the same amount on all %d labels, so the interval knows nothing of its errors", len(labels)))
	}
	return out, nil
}

// meanVariance returns the mean and the variance of that mean.
func meanVariance(x []float64) (mean, variance float64) {
	for i, v := range x {
		mean += (v - mean) / float64(i+1)
	}
	ss := 0.0
	for _, v := range x {
		ss += (v - mean) * (v - mean)
	}
	n := float64(len(x))
	return mean, ss / (n - 1) / n
}

// DifferenceWilson returns Newcombe's (1998) interval, method 10, for the
// difference a-b of two proportions counted independently: the two Wilson
// intervals' distances, squared and added. Impossible counts and levels are errors
// wrapping [assay.ErrInvalid].
func DifferenceWilson(a, b Count, conf float64) (Interval, error) {
	wa, err := Wilson(a.K, a.N, conf)
	if err != nil {
		return Interval{}, err
	}
	wb, err := Wilson(b.K, b.N, conf)
	if err != nil {
		return Interval{}, err
	}
	pa, pb := float64(a.K)/float64(a.N), float64(b.K)/float64(b.N)
	return Interval{
		pa - pb - math.Hypot(pa-wa.Lo, wb.Hi-pb),
		pa - pb + math.Hypot(wa.Hi-pa, pb-wb.Lo),
	}, nil
}
