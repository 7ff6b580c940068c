package gate

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/stat"
)

// A Calibration is a threshold with the evidence it was computed from.
type Calibration struct {
	Value    float64
	Fails    string         // [Below] or [Above]; Value itself passes
	Mode     assay.GateMode // Enforced if the evidence supports refusing images, else Shadow
	Reason   string         // one sentence for people, with the numbers
	Source   string         // what the readings are of; empty means "controls"
	Evidence Evidence
}

// Evidence is what a calibration rests on; one of its fields is set, two if
// there is a guard.
type Evidence struct {
	Same       *SameEvidence       `json:"same,omitempty"`
	Floor      *FloorEvidence      `json:"floor,omitempty"`
	Chance     *ChanceEvidence     `json:"chance,omitempty"`
	Percentile *PercentileEvidence `json:"percentile,omitempty"`
	People     *PeopleEvidence     `json:"people,omitempty"`
	Guard      *GuardEvidence      `json:"guard,omitempty"` // beside Percentile
}

// A Share is a count of how many, with an interval for the proportion.
type Share struct {
	K  int     `json:"k"`
	N  int     `json:"n"`
	P  float64 `json:"p"`  // K / N
	Lo float64 `json:"lo"` // of the interval its field names
	Hi float64 `json:"hi"`
}

// basis ends the reason of every calibration from controls.
const basis = "from controls, no human judgment yet"

// Threshold returns the calibration as the fact that a store keeps. The
// identity is that of the readings it was computed from; a synthetic one is an
// error wrapping [assay.ErrInvalid], since numbers that mean nothing set no
// thresholds.
func (c Calibration) Threshold(id assay.Identity, series, gate string, at time.Time) (assay.Threshold, error) {
	if id.Synthetic {
		return assay.Threshold{}, fmt.Errorf("gate %s: %s has synthetic weights: %w", gate, id.Instrument, assay.ErrInvalid)
	}
	evidence, err := json.Marshal(c.Evidence)
	if err != nil {
		return assay.Threshold{}, fmt.Errorf("gate %s: evidence: %w", gate, err)
	}
	return assay.Threshold{
		Identity: id, Series: series, Gate: gate,
		Value: c.Value, Fails: c.Fails, Mode: c.Mode, Source: cmp.Or(c.Source, "controls"),
		Reason: c.Reason, Evidence: evidence, Created: at,
	}, nil
}

// DefaultQuantile is the share of trivial variants that a threshold made by
// [SamePicture] calls the same picture.
const DefaultQuantile = 0.95

// miss is the probability of error on each side that bounds are allowed: 5 %,
// the convention of the field.
const miss = 0.05

// Variants are the controls of [SamePicture].
type Variants struct {
	// Trivial has, by what was done to them, the distances between images and
	// copies of them that nobody would call another picture: saved again,
	// scaled by a few per cent, cropped by a few pixels.
	Trivial map[string][]float64
	// Different has distances between images of the series that are not copies
	// of one another, if known: from each to its nearest.
	Different []float64
}

// SameEvidence is what [SamePicture] computed. Bounds that the sample does not
// set are absent.
type SameEvidence struct {
	Quantile   float64         `json:"quantile"`
	N          int             `json:"n"`          // distances of trivial variants
	Lo         *float64        `json:"lo"`         // lower bound of the quantile; it is lower with probability at most 0.05
	Hi         *float64        `json:"hi"`         // likewise upper
	Transforms []TransformRead `json:"transforms"` // in order of name
	Different  *DifferentRead  `json:"different,omitempty"`
}

// TransformRead is how far one kind of trivial variant lies from its original.
type TransformRead struct {
	Transform string  `json:"transform"`
	N         int     `json:"n"`
	Median    float64 `json:"median"`
	Max       float64 `json:"max"`
}

// DifferentRead is how far different pictures of the series lie apart.
type DifferentRead struct {
	Median  float64 `json:"median"`
	Refused Share   `json:"refused"` // nearer than the threshold; Wilson interval, 95 %
}

// SamePicture returns the distance below which an image is the same picture as
// another: the quantile (0 means [DefaultQuantile]) of the distances of trivial
// variants. What fails is nearer than that.
//
// The quantile comes with a distribution-free interval between two order
// statistics. It treats the distances as independent; variants of one image are
// alike, so it is narrower than it should be unless most come from different
// images.
//
// At least 1/(1−quantile) distances are needed, 20 for 0.95: with fewer, the
// quantile of the population is expected beyond the largest distance seen. The
// error then wraps [assay.ErrUnavailable]. The threshold is enforced if the
// largest distance bounds the quantile from above with 95 % confidence, which
// takes 59 distances for 0.95; if it is above 0, since nothing is nearer than 0;
// and, where distances of different pictures are given, if their median lies
// above it: a distance by which the typical picture repeats another cannot tell
// copies in this series. Else it stays in shadow. Values that are negative or
// not finite and a quantile outside [0.5, 1) are errors wrapping
// [assay.ErrInvalid].
func SamePicture(d Variants, quantile float64) (Calibration, error) {
	if quantile == 0 {
		quantile = DefaultQuantile
	}
	if !(quantile >= 0.5 && quantile < 1) {
		return Calibration{}, fmt.Errorf("same picture: quantile %g: want at least 0.5 and below 1: %w", quantile, assay.ErrInvalid)
	}
	ev := SameEvidence{Quantile: quantile}
	var pool []float64
	for _, name := range slices.Sorted(maps.Keys(d.Trivial)) {
		if err := checkDistances(name, d.Trivial[name]); err != nil {
			return Calibration{}, err
		}
		if len(d.Trivial[name]) == 0 {
			continue
		}
		median, err := stat.Quantile(d.Trivial[name], 0.5)
		if err != nil {
			return Calibration{}, fmt.Errorf("same picture: %q: %w", name, err)
		}
		ev.Transforms = append(ev.Transforms, TransformRead{name, len(d.Trivial[name]), median, slices.Max(d.Trivial[name])})
		pool = append(pool, d.Trivial[name]...)
	}
	ev.N = len(pool)
	if need := int(math.Ceil(1/(1-quantile) - 1e-9)); ev.N < need {
		return Calibration{}, fmt.Errorf("same picture: %d distances of trivial variants, at least %d are needed for the %g quantile: add images to the series, then run %s: %w",
			ev.N, need, quantile, remedy, assay.ErrUnavailable)
	}
	est, err := stat.QuantileInterval(pool, quantile, 1-2*miss)
	if err != nil {
		return Calibration{}, fmt.Errorf("same picture: %w", err)
	}
	ev.Lo, ev.Hi = finite(est.Interval.Lo), finite(est.Interval.Hi)
	if len(d.Different) > 0 {
		if ev.Different, err = different(d.Different, est.Value); err != nil {
			return Calibration{}, err
		}
	}
	c := Calibration{Value: est.Value, Fails: Below, Evidence: Evidence{Same: &ev}}
	c.Mode, c.Reason = sameMode(est.Value, ev)
	return c, nil
}

// sameMode decides whether a threshold on distance may refuse, and says why.
func sameMode(value float64, ev SameEvidence) (assay.GateMode, string) {
	said := fmt.Sprintf("%s of %d trivial variants lie within %.4g of their original", percent(ev.Quantile), ev.N, value)
	switch {
	case value == 0:
		return assay.Shadow, said + ", and nothing can be nearer than that, so the gate only records; " + basis
	case ev.Different != nil && ev.Different.Median <= value:
		return assay.Shadow, fmt.Sprintf("%s, but so do %d of %d different pictures: the distance cannot tell copies in this series, so the gate only records; %s",
			said, ev.Different.Refused.K, ev.Different.Refused.N, basis)
	case ev.Hi == nil:
		need, err := stat.MinTrials(0, 1-ev.Quantile, miss)
		if err != nil {
			return assay.Shadow, said + ", too few to bound that distance, so the gate only records; " + basis
		}
		return assay.Shadow, fmt.Sprintf("%s, but %d are needed to bound that distance, so the gate only records; %s", said, need, basis)
	case ev.Lo == nil:
		return assay.Enforced, fmt.Sprintf("%s (at most %.4g with 95 %% confidence); %s", said, *ev.Hi, basis)
	}
	return assay.Enforced, fmt.Sprintf("%s (90 %% interval %.4g to %.4g); %s", said, *ev.Lo, *ev.Hi, basis)
}

// different reads how far apart different pictures lie.
func different(distances []float64, value float64) (*DifferentRead, error) {
	if err := checkDistances("different pictures", distances); err != nil {
		return nil, err
	}
	median, err := stat.Quantile(distances, 0.5)
	if err != nil {
		return nil, fmt.Errorf("same picture: different pictures: %w", err)
	}
	refused, err := wilson(count(distances, Below, value), len(distances))
	return &DifferentRead{median, refused}, err
}

// checkDistances refuses what is no distance.
func checkDistances(what string, x []float64) error {
	for i, v := range x {
		if !(v >= 0 && v <= math.MaxFloat64) { // also NaN
			return fmt.Errorf("same picture: %q: distance %d of %d is %g: leave out what was not measured: %w", what, i, len(x), v, assay.ErrInvalid)
		}
	}
	return nil
}

// finite returns nil for a bound that is not there.
func finite(x float64) *float64 {
	if math.IsInf(x, 0) {
		return nil
	}
	return &x
}

// count returns how many of x fail by a threshold.
func count(x []float64, fails string, value float64) int {
	n := 0
	for _, v := range x {
		if fails == Below && v < value || fails == Above && v > value {
			n++
		}
	}
	return n
}

// wilson returns a share with its 95 % Wilson interval.
func wilson(k, n int) (Share, error) {
	iv, err := stat.Wilson(k, n, 1-miss)
	return Share{k, n, float64(k) / float64(n), iv.Lo, iv.Hi}, err
}

// percent writes a proportion for people.
func percent(p float64) string { return fmt.Sprintf("%.3g %%", 100*p) }
