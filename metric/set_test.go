package metric

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
)

// rowIdentity is what the tests' vectors are filed under.
func rowIdentity(name string) assay.Identity {
	return assay.Identity{Instrument: name, Version: 1, Preparation: "none", Runtime: goRuntime}
}

// setOf is a set of n images of which the i-th, from 0, has the vector v(i). The
// digests ascend with i and depend on the label.
func setOf(name, label string, n int, v func(i int) []float64) *FeatureSet {
	s := &FeatureSet{Identity: rowIdentity(name), Space: Cosine}
	for i := range n {
		id := assay.DigestOf([]byte(label))
		binary.BigEndian.PutUint32(id[:], uint32(i+1))
		s.Digests = append(s.Digests, id)
		row := v(i)
		s.Dim = len(row)
		for _, x := range row {
			s.Features = append(s.Features, float32(x))
		}
	}
	return s
}

// sineRow and cosineRow are the specification's vectors of set measures: X[i][j] =
// sin(0.1·i·j), Y[i][j] = cos(0.13·i·j) + 0.05·j, i and j from 1, j to 8.
func sineRow(i int) []float64 {
	return eightOf(func(j float64) float64 { return math.Sin(0.1 * float64(i+1) * j) })
}

func cosineRow(i int) []float64 {
	return eightOf(func(j float64) float64 { return math.Cos(0.13*float64(i+1)*j) + 0.05*j })
}

func eightOf(f func(j float64) float64) []float64 {
	out := make([]float64, 8)
	for j := range out {
		out[j] = f(float64(j + 1))
	}
	return out
}

// asMoments is the set without its vectors.
func asMoments(t testing.TB, s *FeatureSet) *FeatureSet {
	t.Helper()
	m, err := s.moments(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := *s
	out.Features, out.Moments = nil, m
	return &out
}

// setValue reads one number of a measure.
func setValue(t testing.TB, measure, name string, x, ref *FeatureSet, opt SetOptions) SetValue {
	t.Helper()
	r, err := mustSet(t, measure).Measure(t.Context(), x, ref, opt)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range r.Values {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("%s gave no value %s: %+v", measure, name, r.Values)
	return SetValue{}
}

// TestSetVectors holds every measure to the numeric vectors of the specification,
// quality-clip-set.md section 12, read from state files. The vectors are float32
// here and float64 there, which costs some 1e-7.
func TestSetVectors(t *testing.T) {
	orders := func(q float64) SetOptions { return SetOptions{Order: &q} }
	x, y := setOf("test", "x", 40, sineRow), setOf("test", "y", 50, cosineRow)
	small, other := setOf("test", "x", 5, sineRow), setOf("test", "y", 6, cosineRow)
	x40, y40 := x, setOf("test", "y", 40, cosineRow)
	for _, c := range []struct {
		measure, name string
		x, ref        *FeatureSet
		opt           SetOptions
		want          float64
	}{
		{"fid", "fid", x, y, SetOptions{}, 0.730790064},
		{"fid", "fid", asMoments(t, x), y, SetOptions{}, 0.730790064},
		{"fid", "fid", asMoments(t, x), asMoments(t, y), SetOptions{}, 0.730790064},
		{"fid", "fid", small, other, SetOptions{}, 3.211027965},
		{"fid", "fid", asMoments(t, small), asMoments(t, other), SetOptions{}, 3.211027965},
		{"kid", "kid-whole", x40, y40, SetOptions{}, 0.1576576267},
		{"cmmd", "cmmd", x, y, SetOptions{}, 0.930882469},
		{"precision-recall", "precision", y, x, SetOptions{}, 0.94},
		{"precision-recall", "recall", y, x, SetOptions{K: 3}, 0.375},
		{"density-coverage", "density", y, x, SetOptions{K: 3}, 0.7266666667},
		{"density-coverage", "coverage", y, x, SetOptions{K: 3}, 0.80},
		{"precision-recall", "precision", y, x, SetOptions{K: 5}, 1},
		{"precision-recall", "recall", y, x, SetOptions{K: 5}, 0.9},
		{"density-coverage", "density", y, x, SetOptions{}, 0.804},
		{"density-coverage", "coverage", y, x, SetOptions{}, 0.925},
		{"vendi", "vendi", x, nil, orders(0.5), 7.755310629},
		{"vendi", "vendi", x, nil, SetOptions{}, 7.501252751},
		{"vendi", "vendi", x, nil, orders(2), 6.995405720},
		{"vendi", "vendi", x, nil, orders(math.Inf(1)), 4.467911190},
	} {
		set := throughFile(t, c.x)[0]
		ref := c.ref
		if ref != nil {
			ref = throughFile(t, ref)[0]
		}
		v := setValue(t, c.measure, c.name, set, ref, c.opt)
		if math.Abs(v.Value-c.want) > 1e-6*c.want {
			t.Errorf("%s of %s, k %d: %.10g, want %.10g", c.name, c.measure, c.opt.K, v.Value, c.want)
		}
		if v.Interval != nil && !(v.Interval.Lo <= v.Value && v.Value <= v.Interval.Hi) {
			t.Errorf("%s: %v is outside its own interval %v", c.name, v.Value, *v.Interval)
		}
	}
	// All pairs, by definition.
	sum := 0.0
	for i := range 40 {
		for j := range i {
			cos, err := cosine(x.Rows().Row(i), x.Rows().Row(j))
			if err != nil {
				t.Fatal(err)
			}
			sum += 1 - cos
		}
	}
	if v := setValue(t, "self-similarity", "self-similarity", x, nil, SetOptions{}); math.Abs(v.Value-sum/780) > 1e-12 {
		t.Errorf("self-similarity %v, by definition %v", v.Value, sum/780)
	}
}

// TestSetRefusals: what has no honest number gets none.
func TestSetRefusals(t *testing.T) {
	x, y := setOf("inception-tf", "x", 40, sineRow), setOf("inception-tf", "y", 50, cosineRow)
	one := cutSet(x, 40, func(i int) int { return i })[0]
	other := *y
	other.Runtime = "onnxruntime 9"
	for _, c := range []struct {
		measure, want string
		x, ref        *FeatureSet
	}{
		{"fid", "a reference is given false", x, nil},
		{"vendi", "a reference is given true", x, y},
		{"fid", "at least 2", one, y},
		{"kid", "reference of 1", y, one},
		{"self-similarity", "at least 2", one, nil},
		{"fid", "runtimes", x, &other},
		{"kid", "moments", asMoments(t, x), y},
		{"vendi", "moments", asMoments(t, x), nil},
		{"precision-recall", "rows", x, cutSet(x, 14, func(i int) int { return i / 3 })[0]}, // k+1 are needed
	} {
		r, err := mustSet(t, c.measure).Measure(t.Context(), c.x, c.ref, SetOptions{})
		if err == nil || !strings.Contains(err.Error(), c.want) || !errors.Is(err, assay.ErrInvalid) && !errors.Is(err, assay.ErrConflict) {
			t.Errorf("%s: want an error with %q, got %v, %v", c.measure, c.want, r.Values, err)
		}
	}
	for name, want := range map[string]string{"fidd": `did you mean "fid"`, "lpips-squeeze": "self-similarity --tower lpips-squeeze", "xyzzy": "precision-recall"} {
		if _, err := FindSet(name); !errors.Is(err, assay.ErrNotFound) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSetDoubts: warnings say what is known to be wrong with a number.
func TestSetDoubts(t *testing.T) {
	x, y := setOf("inception-tf", "x", 40, sineRow), setOf("inception-tf", "y", 50, cosineRow)
	x.Synthetic, y.Synthetic = true, true
	r, err := mustSet(t, "fid").Measure(t.Context(), x, y, SetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(r.Warnings, "\n")
	for _, want := range []string{"made up", "40 images", "below 10000"} {
		if !strings.Contains(all, want) {
			t.Errorf("no warning with %q: %q", want, all)
		}
	}
	if strings.Contains(all, "not comparable") {
		t.Errorf("fid stands on what it is defined on: %q", all)
	}
	mixed, err := MergeSets(t.Context(), y, cutSet(x, 2, func(i int) int { return i / 7 % 2 })[0])
	if err != nil {
		t.Fatal(err)
	}
	if r, err = mustSet(t, "fid").Measure(t.Context(), x, mixed, SetOptions{}); err != nil || !strings.Contains(strings.Join(r.Warnings, "\n"), "21 images are in the set and in the reference") {
		t.Errorf("sets that overlap: %v, %q", err, r.Warnings)
	}
	x.Instrument, y.Instrument = "dreamsim", "dreamsim"
	if r, err = mustSet(t, "fid").Measure(t.Context(), x, y, SetOptions{NoInterval: true}); err != nil || !strings.Contains(r.Warnings[1], "features of dreamsim: not comparable with published values, which are of inception-tf") {
		t.Errorf("fid on dreamsim: %v, %q", err, r.Warnings)
	}
	if v := r.Values[0]; v.Interval != nil || !strings.Contains(v.Method, "--no-interval") {
		t.Errorf("an interval that was not wanted: %+v", v)
	}
	if r, err = mustSet(t, "vendi").Measure(t.Context(), setOf("dreamsim", "z", 8, func(i int) []float64 {
		return eightOf(func(j float64) float64 { return math.Max(0, 1-math.Abs(float64(i+1)-j)) })
	}), nil, SetOptions{}); err != nil || !strings.Contains(strings.Join(r.Warnings, ""), "of at most 8") {
		t.Errorf("vendi near its ceiling: %v, %q", err, r.Warnings)
	}
}

// TestFrechetInterval: the jackknife's standard error is near the spread over
// samples that the same generator gives.
func TestFrechetInterval(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	draw := func(label string, shift float64) *FeatureSet {
		return setOf("inception-tf", label, 200, func(int) []float64 { return eightOf(func(j float64) float64 { return shift + rng.NormFloat64() }) })
	}
	var values, errs []float64
	for range 60 {
		x, y := draw("x", 0), draw("y", 0.5)
		v := setValue(t, "fid", "fid", x, y, SetOptions{})
		// Of moments on one side only the other's share of the doubt is known.
		if half := setValue(t, "fid", "fid", x, asMoments(t, y), SetOptions{}); *half.StdErr >= *v.StdErr*1.2 || !strings.Contains(half.Method, "held fixed") {
			t.Errorf("the reference held fixed: %v, both sides %v; %q", *half.StdErr, *v.StdErr, half.Method)
		}
		values, errs = append(values, v.Value), append(errs, *v.StdErr)
	}
	mean, spread, typical := 0.0, 0.0, 0.0
	for i, v := range values {
		mean += v / 60
		typical += errs[i] / 60
	}
	for _, v := range values {
		spread += (v - mean) * (v - mean) / 59
	}
	if ratio := typical / math.Sqrt(spread); ratio < 0.75 || ratio > 1.35 {
		t.Errorf("standard error %v on average, spread over samples %v", typical, math.Sqrt(spread))
	}
}

// TestExtrapolate: the distance of a set without end is nearer to that of the
// distributions than the distance of the set.
func TestExtrapolate(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	draw := func(label string, n int) *FeatureSet {
		return setOf("inception-tf", label, n, func(int) []float64 { return eightOf(func(float64) float64 { return rng.NormFloat64() }) })
	}
	x, ref := draw("x", 300), draw("y", 20000)
	plain := setValue(t, "fid", "fid", x, ref, SetOptions{Extrapolate: true}).Value
	v := setValue(t, "fid", "fid-infinity", x, asMoments(t, ref), SetOptions{Extrapolate: true})
	if math.Abs(v.Value) > plain/2 || v.StdErr == nil { // both sets are of one distribution
		t.Errorf("fid %v, extrapolated %v", plain, v.Value)
	}
	if _, err := mustSet(t, "fid").Measure(t.Context(), asMoments(t, x), ref, SetOptions{Extrapolate: true}); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), "--extrapolate needs the vectors") {
		t.Errorf("of moments: %v", err)
	}
}

// TestSetAgainstItself: every measure has a number for a set and itself, at the
// end of its range where it has one, and its interval stays in the range.
func TestSetAgainstItself(t *testing.T) {
	x := setOf("inception-tf", "x", 60, sineRow)
	want := map[string]float64{"fid": 0, "cmmd": 0, "precision": 1, "recall": 1, "coverage": 1}
	for _, s := range SetCatalogue() {
		ref := x
		if !s.Reference {
			ref = nil
		}
		r, err := s.Measure(t.Context(), x, ref, SetOptions{})
		if err != nil {
			t.Errorf("%s: %v", s.Name, err)
			continue
		}
		for i, v := range r.Values {
			if w, ok := want[v.Name]; ok && math.Abs(v.Value-w) > 1e-9 {
				t.Errorf("%s of a set and itself is %v, want %v", v.Name, v.Value, w)
			}
			if v.Interval != nil && (v.Interval.Lo < s.Values[i].Lo || v.Interval.Hi > s.Values[i].Hi) {
				t.Errorf("%s: interval %v leaves [%v, %v]", v.Name, *v.Interval, s.Values[i].Lo, s.Values[i].Hi)
			}
		}
	}
}

// TestSamplePairs: pairs are distinct, in order, in range, the same every time;
// all of them where there is room, and else none is likelier than another.
func TestSamplePairs(t *testing.T) {
	for n := range 40 {
		all := SamplePairs(n, 1<<20, 0)
		if len(all) != n*(n-1)/2 {
			t.Fatalf("%d things: %d pairs", n, len(all))
		}
		for k := range all {
			if p := pairAt(k); p.I < 0 || p.I >= p.J || k != p.J*(p.J-1)/2+p.I {
				t.Fatalf("pair %d is %v", k, p)
			}
		}
	}
	count := map[Pair]int{}
	for seed := range uint64(3000) {
		got := SamplePairs(12, 11, seed)
		if len(got) != 11 || !slices.Equal(got, SamplePairs(12, 11, seed)) {
			t.Fatalf("seed %d: %v", seed, got)
		}
		for k, p := range got {
			if p.I < 0 || p.I >= p.J || p.J >= 12 || k > 0 && p == got[k-1] {
				t.Fatalf("seed %d: %v", seed, got)
			}
			count[p]++
		}
	}
	for p, n := range count { // 500 expected of each of 66, standard deviation 20
		if n < 400 || n > 600 {
			t.Errorf("pair %v was drawn %d times, expected 500", p, n)
		}
	}
}

// TestMeasurePairs: all pairs give what vectors give.
func TestMeasurePairs(t *testing.T) {
	x := setOf("layout", "x", 30, sineRow)
	x.Space = Euclidean
	want, err := mustSet(t, "self-similarity").Measure(t.Context(), x, nil, SetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pairs := SamplePairs(30, 1000, 0)
	var d []float64
	for _, p := range pairs {
		d = append(d, euclidean(x.Rows().Row(p.I), x.Rows().Row(p.J)))
	}
	got, err := mustSet(t, "self-similarity").MeasurePairs(t.Context(), rowIdentity("lpips-alex"), x.Digests, pairs, d, 0)
	if err != nil {
		t.Fatal(err)
	}
	a, b := got.Values[0], want.Values[0]
	if math.Abs(a.Value-b.Value) > 1e-12 || math.Abs(*a.StdErr-*b.StdErr) > 1e-9 || len(got.Warnings) > 0 {
		t.Errorf("%v ± %v from pairs, %v ± %v from vectors; %q", a.Value, *a.StdErr, b.Value, *b.StdErr, got.Warnings)
	}
	if got, err = mustSet(t, "self-similarity").MeasurePairs(t.Context(), rowIdentity("lpips-alex"), x.Digests, pairs[:50], d[:50], 3); err != nil ||
		got.Settings["pairs"] != 50 || got.Settings["of_pairs"] != 435 || !strings.Contains(got.Warnings[0], "50 of 435") {
		t.Errorf("a sample: %v, %v, %q", err, got.Settings, got.Warnings)
	}
	if _, err := mustSet(t, "vendi").MeasurePairs(t.Context(), rowIdentity("lpips-alex"), x.Digests, pairs, d, 0); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("vendi of pairs: %v", err)
	}
}

// TestSetCatalogue: every measure says what it is, and stands on rows that exist.
func TestSetCatalogue(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range SetCatalogue() {
		if seen[s.Name] || s.Version < 1 || s.Doc == "" || s.Source == "" || s.Agreement == "" || s.Least < 1 || len(s.Values) == 0 || len(s.Features) == 0 || s.measure == nil {
			t.Errorf("%s is twice there, or not described", s.Name)
		}
		seen[s.Name] = true
		if (s.Enough > 0) != (s.Doubt != "") {
			t.Errorf("%s: small below %d, doubt %q", s.Name, s.Enough, s.Doubt)
		}
		for _, name := range s.Features {
			_, features := FindFeatures(name)
			in, ok := Find(name)
			if !features && !(s.Pairs && ok && in.Kind == OfPair) {
				t.Errorf("%s cannot stand on %s", s.Name, name)
			}
		}
		for _, v := range s.Values {
			if v.Name == "" || v.Doc == "" || v.Better == "" || !(v.Lo < v.Hi) {
				t.Errorf("%s: value %+v is not described", s.Name, v)
			}
		}
	}
}
