package metric

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/stat"
)

// intervalLevel is the level of every interval of a measure of sets.
const intervalLevel = 0.95

// A setMeasure is one measure in work.
type setMeasure struct {
	spec   SetSpec
	x, ref *FeatureSet // ref is nil if there is none
	opt    SetOptions
	out    *SetReading
	small  bool // a warning of the size was given already
}

// Measure reads the measure of the set x, against ref where s.Reference is true;
// else ref must be nil. The Reading carries every doubt that is known.
//
// It fails, wrapping [assay.ErrConflict], if the sets are not of the same row of
// features, to the checkpoint, preparation and runtime; and wrapping
// [assay.ErrInvalid] if a set is smaller than s.Least, has moments where vectors
// are needed, or has no such number.
func (s SetSpec) Measure(ctx context.Context, x, ref *FeatureSet, opt SetOptions) (SetReading, error) {
	if (ref != nil) != s.Reference {
		return SetReading{}, fmt.Errorf("%s: a reference is given %v and wanted %v: %w", s.Name, ref != nil, s.Reference, assay.ErrInvalid)
	}
	sides := []*FeatureSet{x}
	if ref != nil {
		if err := x.same(ref); ref.Published == "" && err != nil {
			return SetReading{}, fmt.Errorf("%s: %w", s.Name, err)
		}
		sides = append(sides, ref)
	}
	r := SetReading{Metric: s.Name, Version: s.Version, Features: x.Identity, Set: x.id(), Settings: map[string]any{}}
	for i, side := range sides {
		of := []string{"set", "reference"}[i]
		switch {
		case s.Vectors && side.Features == nil:
			return SetReading{}, fmt.Errorf("%s needs the vectors of the %s, and its state holds only moments: save it with this measure, or without --no-interval: %w", s.Name, of, assay.ErrInvalid)
		case side.Published == "" && side.Len() < s.Least:
			return SetReading{}, fmt.Errorf("%s of a %s of %d: it needs at least %d different images: %w", s.Name, of, side.Len(), s.Least, assay.ErrInvalid)
		}
	}
	if ref != nil {
		id := ref.id()
		r.Reference = &id
	}
	r.Warnings = append(r.Warnings, s.doubts(x, ref)...)
	m := &setMeasure{spec: s, x: x, ref: ref, opt: opt, out: &r, small: smaller(x, ref) < s.Enough}
	if err := s.measure(ctx, m); err != nil {
		return SetReading{}, fmt.Errorf("%s: %w", s.Name, err)
	}
	return r, s.within(r.Values)
}

func (s *FeatureSet) id() SetID {
	return SetID{Images: s.Len(), Digest: s.Digest(), Published: s.Published != ""}
}

// doubts are the warnings that need no numbers.
func (s SetSpec) doubts(x, ref *FeatureSet) []string {
	var out []string
	if x.Synthetic {
		out = append(out, "the weights are made up for testing: the numbers mean nothing")
	}
	if s.Any && len(s.Features) == 1 && x.Instrument != s.Features[0] {
		out = append(out, fmt.Sprintf("on the features of %s: not comparable with published values, which are of %s", x.Instrument, s.Features[0]))
	}
	if ref != nil && ref.Published != "" {
		text := "the reference's statistics are published: of which images and by which network is not known, only that the vectors are as long"
		if ref.Len() == 0 {
			text += "; nor how many images"
		}
		out = append(out, text)
	}
	if n := shared(x, ref); n > 0 {
		out = append(out, fmt.Sprintf("%d images are in the set and in the reference, which draws the two together", n))
	}
	if n := smaller(x, ref); n < s.Enough {
		out = append(out, fmt.Sprintf("%d images, and it means little below %d: %s", n, s.Enough, s.Doubt))
	}
	return out
}

// shared counts the images that both sets have.
func shared(x, ref *FeatureSet) int {
	if ref == nil {
		return 0
	}
	n, j := 0, 0
	for _, d := range x.Digests {
		for j < len(ref.Digests) && bytes.Compare(ref.Digests[j][:], d[:]) < 0 {
			j++
		}
		if j < len(ref.Digests) && ref.Digests[j] == d {
			n++
		}
	}
	return n
}

// smaller is how many images the smaller of the sets has whose number is known.
func smaller(x, ref *FeatureSet) int {
	if ref == nil || ref.Len() == 0 {
		return x.Len()
	}
	return min(x.Len(), ref.Len())
}

// within holds the values to their bounds; rounding is forgiven.
func (s SetSpec) within(values []SetValue) error {
	for _, v := range values {
		i := slices.IndexFunc(s.Values, func(spec SetValueSpec) bool { return spec.Name == v.Name })
		if i < 0 {
			return fmt.Errorf("%s gave a value %s that its catalogue row does not name", s.Name, v.Name)
		}
		if spec := s.Values[i]; v.Value-v.Value != 0 || v.Value < spec.Lo || v.Value > spec.Hi {
			return fmt.Errorf("%s: %s is %v, outside [%v, %v]", s.Name, v.Name, v.Value, spec.Lo, spec.Hi)
		}
	}
	return nil
}

// add gives the reading a value, in the order of the catalogue row. An interval
// ends where the value cannot go.
func (m *setMeasure) add(v SetValue) {
	spec := m.spec.Values[len(m.out.Values)]
	m.out.Values = append(m.out.Values, v.as(spec))
}

func (v SetValue) as(spec SetValueSpec) SetValue {
	v.Name, v.Better = spec.Name, spec.Better
	if v.Interval != nil {
		v.Interval = &stat.Interval{Lo: max(v.Interval.Lo, spec.Lo), Hi: min(v.Interval.Hi, spec.Hi)}
	}
	return v
}

func (m *setMeasure) warn(warnings []error) {
	for _, w := range warnings {
		m.out.Warnings = append(m.out.Warnings, w.Error())
	}
}

// with attaches the normal interval of a standard error.
func (v SetValue) with(se float64, method string) SetValue {
	if se-se != 0 {
		v.Method = "not measured: too few images"
		return v
	}
	const z = 1.959963984540054 // of the level
	v.StdErr, v.Interval, v.Method = &se, &stat.Interval{Lo: v.Value - z*se, Hi: v.Value + z*se}, method
	return v
}

// wilson is k of n with Wilson's interval.
func wilson(k, n int, method string) (SetValue, error) {
	iv, err := stat.Wilson(k, n, intervalLevel)
	return SetValue{Value: float64(k) / float64(n), Interval: &iv, Method: method}, err
}

// jackknifed attaches what a jackknife found.
func (v SetValue) jackknifed(r stat.JackknifeResult, of string) SetValue {
	v.StdErr, v.Interval = &r.StdErr, &r.Interval
	v.Method = fmt.Sprintf("delete-a-group jackknife, %d groups%s", r.Groups, of)
	return v
}

// bearable is how many multiplications an interval may take unless it is asked
// for: a minute or so on two cores.
const bearable = 4e11

// doubting reports whether to measure an interval that takes the given number of
// multiplications, and else gives v the reason.
func (m *setMeasure) doubting(v *SetValue, work float64) bool {
	switch {
	case m.opt.NoInterval:
		v.Method = "not measured: --no-interval"
	case work > bearable && !m.opt.AllIntervals:
		v.Method = "not measured: for sets of this size it takes minutes; --all-intervals"
	default:
		return true
	}
	return false
}

// subset is some of the vectors, without names; all of them is the set itself.
func (s *FeatureSet) subset(index []int) *FeatureSet {
	if len(index) == s.Len() {
		return s
	}
	out := *s
	out.Digests, out.Moments, out.Features = nil, nil, make([]float32, 0, len(index)*s.Dim)
	rows := s.Rows()
	for _, i := range index {
		out.Features = append(out.Features, rows.Row(i)...)
	}
	return &out
}

func measureKID(ctx context.Context, m *setMeasure) error {
	k, err := stat.KernelInception(ctx, m.x.Rows(), m.ref.Rows(), m.opt.KID)
	if err != nil {
		return err
	}
	m.warn(k.Warnings)
	seed := m.opt.KID.Seed
	if seed == 0 {
		seed = 2020
	}
	m.out.Settings = map[string]any{"subsets": k.Subsets, "size": k.Size, "seed": seed}
	m.add(SetValue{Value: k.Mean, Std: &k.Std, Method: "std is the population standard deviation over the subsets, not the error of their mean"})
	n := float64(m.x.Len() + m.ref.Len())
	var whole SetValue
	if !m.doubting(&whole, n*n*float64(m.x.Dim)) {
		m.out.Values[0].Method += "; that was " + whole.Method
		return nil
	}
	all, err := stat.PolynomialMMD(ctx, m.x.Rows(), m.ref.Rows())
	if err != nil {
		return err
	}
	m.add(SetValue{Value: all.Unbiased}.with(all.StdErr, "delete-one jackknife"))
	return nil
}

func measureCMMD(ctx context.Context, m *setMeasure) error {
	c, err := stat.CLIPMMD(ctx, m.x.Rows(), m.ref.Rows())
	if err != nil {
		return err
	}
	if !m.small {
		m.warn(c.Warnings)
	}
	m.out.Settings = map[string]any{"sigma": 10, "scale": 1000}
	m.add(SetValue{Value: clampRounding(c.Value, 1), Method: "see cmmd-unbiased"})
	m.add(SetValue{Value: c.Unbiased}.with(c.StdErr, "delete-one jackknife"))
	return nil
}

// neighbours returns k, which is published unless the caller has another.
func (m *setMeasure) neighbours(published int) int {
	k := m.opt.K
	if k == 0 {
		k = published
	}
	m.out.Settings["k"] = k
	return k
}

func measurePrecisionRecall(ctx context.Context, m *setMeasure) error {
	pr, err := stat.PrecisionRecall(ctx, m.ref.Rows(), m.x.Rows(), m.neighbours(3))
	if err != nil {
		return err
	}
	m.warn(pr.Warnings)
	return m.proportions(
		[3]any{pr.Inside, pr.Fake, "Wilson's interval over the set's images; the reference's neighbourhoods are held fixed"},
		[3]any{pr.Reached, pr.Real, "Wilson's interval over the reference's images; the set's neighbourhoods are held fixed"})
}

func (m *setMeasure) proportions(all ...[3]any) error {
	for _, p := range all {
		v, err := wilson(p[0].(int), p[1].(int), p[2].(string))
		if err != nil {
			return err
		}
		m.add(v)
	}
	return nil
}

func measureDensityCoverage(ctx context.Context, m *setMeasure) error {
	dc, err := stat.DensityCoverage(ctx, m.ref.Rows(), m.x.Rows(), m.neighbours(5))
	if err != nil {
		return err
	}
	m.warn(dc.Warnings)
	m.add(SetValue{Value: dc.Density}.with(dc.DensityStdErr, "standard error over the set's images; the reference's neighbourhoods are held fixed"))
	return m.proportions([3]any{dc.Covered, dc.Real, "Wilson's interval over the reference's images; the set is held fixed"})
}

func measureVendi(ctx context.Context, m *setMeasure) error {
	q := 1.0
	if m.opt.Order != nil {
		q = *m.opt.Order
	}
	m.out.Settings = map[string]any{"order": orderText(q), "kernel": "cosine"}
	score, err := stat.Vendi(ctx, m.x.Rows(), q)
	if err != nil {
		return err
	}
	n := m.x.Len()
	v := SetValue{Value: min(max(score, 1), float64(n))} // leaves that by rounding only
	if score > float64(n)/2 {
		m.out.Warnings = append(m.out.Warnings, fmt.Sprintf("%.4g of at most %d: more images would raise it; compare only sets of equal size", score, n))
	}
	few := math.Min(float64(n), float64(m.x.Dim))
	if m.doubting(&v, 11*float64(n)*float64(m.x.Dim)*few) {
		r, err := stat.Jackknife(ctx, []int{n}, stat.JackknifeOptions{Conf: intervalLevel, Seed: m.opt.Seed}, func(keep [][]int) (float64, error) {
			return stat.Vendi(ctx, m.x.subset(keep[0]).Rows(), q)
		})
		if err != nil {
			return err
		}
		m.warn(r.Warnings)
		v = v.jackknifed(r, "")
	}
	m.add(v)
	return nil
}

// orderText writes an order, of which infinity has no number in JSON.
func orderText(q float64) any {
	if math.IsInf(q, 1) {
		return "inf"
	}
	return q
}

func measureSelfSimilarity(ctx context.Context, m *setMeasure) error {
	var p stat.Pairwise
	var err error
	convention := "1 − cosine"
	if m.x.Space == Euclidean {
		convention = "Euclidean"
		n := float64(m.x.Len())
		if work := n * n / 2 * float64(m.x.Dim); work > 100*bearable {
			return fmt.Errorf("%d images have %.0f pairs, which take hours in Euclidean space: measure a shard of them: %w", m.x.Len(), n*(n-1)/2, assay.ErrInvalid)
		}
		p, err = stat.MeanPairwiseEuclidean(ctx, m.x.Rows())
	} else {
		p, err = stat.MeanPairwiseCosine(m.x.Rows())
	}
	if err != nil {
		return err
	}
	m.out.Settings = map[string]any{"distance": convention, "pairs": p.Pairs}
	m.add(SetValue{Value: max(p.Mean, 0)}.with(p.StdErr, "delete-one jackknife over the images"))
	return nil
}
