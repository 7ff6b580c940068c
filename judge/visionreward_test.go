package judge

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/weights"
)

// madeUp is a list of VisionReward's form with questions and weights of our own.
func madeUp(t testing.TB) (v *VisionReward, coef []float64) {
	t.Helper()
	var list strings.Builder
	for i := range 30 {
		fmt.Fprintf(&list, "Does the picture have the property number %d? \n", i)
	}
	for i := range 28 {
		coef = append(coef, float64(i+1)/16) // sums of these are exact
	}
	text, err := json.Marshal(map[string]any{"coef": coef, "intercept": []float64{0.25}})
	if err != nil {
		t.Fatal(err)
	}
	if v, err = ReadVisionReward([]byte(strings.TrimSuffix(list.String(), " \n")), text); err != nil {
		t.Fatal(err)
	}
	return v, coef
}

// published is the formula of inference-image.py, line by line: yes is what was
// answered to the 30 questions.
func published(alignment float64, yes [30]bool, coef []float64, intercept float64) float64 {
	var reward [30]float64
	for i, y := range yes {
		reward[i] = -1
		if y {
			reward[i] = 1
		}
	}
	for mask, features := range map[int][]int{0: {22, 23, 24, 28, 29}, 1: {25, 26}, 2: {27}} {
		for _, f := range features {
			if reward[mask] <= 0 {
				reward[f] = 0
			}
		}
	}
	score := alignment * coef[0]
	for i, r := range reward[3:] {
		score += r * coef[i+1]
	}
	return score + intercept
}

var vrJudge = assay.Judge{Name: "local", API: "openai", Model: "some-vlm"}

// answered returns answers to v's questions, of which skip leaves some out.
func answered(v *VisionReward, alignment float64, yes [30]bool, skip func(id string) bool) []assay.Answer {
	var out []assay.Answer
	for _, q := range v.Questions("a fox") {
		b := assay.Belief{P: alignment, Low: alignment, High: alignment, Method: assay.ByLogProbs}
		var i int
		if n, _ := fmt.Sscanf(q.ID, "visionreward.%d", &i); n == 1 {
			b.P = 0.3
			if yes[i] {
				b.P = 0.8
			}
		}
		if skip != nil && skip(q.ID) {
			b = assay.Belief{Abstained: "cannot tell"}
		}
		out = append(out, assay.Answer{Series: "s", Image: assay.DigestOf([]byte("x")), Judge: vrJudge, Question: q, Belief: b})
	}
	return out
}

func randomYes(rng *rand.Rand) (yes [30]bool) {
	for i := range yes {
		yes[i] = rng.IntN(2) == 1
	}
	return yes
}

func result(t testing.TB, v *VisionReward, answers []assay.Answer) VisionRewardResult {
	t.Helper()
	r, err := v.Result(answers)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestVisionRewardFormula holds the result to the published arithmetic, and the
// dimensions to it.
func TestVisionRewardFormula(t *testing.T) {
	v, coef := madeUp(t)
	rng := rand.New(rand.NewPCG(1, 1))
	for range 500 {
		yes, alignment := randomYes(rng), float64(rng.IntN(17))/16
		r := result(t, v, answered(v, alignment, yes, nil))
		if want := published(alignment, yes, coef, 0.25); r.Ordering == nil || *r.Ordering != want || r.Low != want || r.High != want {
			t.Fatalf("%v: %v in [%g, %g], want %g", yes, r.Ordering, r.Low, r.High, want)
		}
		sum, masked := 0.25, 0
		for _, d := range r.Dimensions {
			sum += *d.Value
			masked += d.Masked
		}
		if sum != *r.Ordering || len(r.Dimensions) != 5 || len(r.Missing) != 0 {
			t.Fatalf("dimensions %+v add up to %g, not %g; missing %v", r.Dimensions, sum, *r.Ordering, r.Missing)
		}
		want := 0
		for _, mask := range visionRewardNeeds {
			if !yes[mask] {
				want++
			}
		}
		if masked != want {
			t.Fatalf("%d masked, want %d", masked, want)
		}
	}
}

// TestVisionRewardMissing: whatever the missing answers would be, the ordering is
// within the bounds, and the bounds are no wider than that.
func TestVisionRewardMissing(t *testing.T) {
	v, coef := madeUp(t)
	rng := rand.New(rand.NewPCG(2, 2))
	for range 200 {
		yes := randomYes(rng)
		missing := rng.Perm(30)[:1+rng.IntN(5)]
		noAlignment := rng.IntN(2) == 0
		r := result(t, v, answered(v, 0.5, yes, func(id string) bool {
			if id == "visionreward.alignment" {
				return noAlignment
			}
			return slices.ContainsFunc(missing, func(i int) bool { return id == fmt.Sprintf("visionreward.%02d", i) })
		}))
		low, high := math.Inf(1), math.Inf(-1)
		for bits := range 1 << len(missing) {
			for k, i := range missing {
				yes[i] = bits>>k&1 == 1
			}
			for _, alignment := range []float64{0, 0.5, 1} {
				if noAlignment || alignment == 0.5 {
					s := published(alignment, yes, coef, 0.25)
					low, high = min(low, s), max(high, s)
				}
			}
		}
		// A mask that is missing can be yes for one question it governs and no for
		// the other, as far as the bounds know: they may be wider, never narrower.
		maskMissing := slices.ContainsFunc(missing, func(i int) bool { return i < 3 })
		if r.Low > low || r.High < high || !maskMissing && (r.Low != low || r.High != high) {
			t.Fatalf("missing %v: [%g, %g], want [%g, %g]", missing, r.Low, r.High, low, high)
		}
		if complete := low == high; (r.Ordering != nil) != complete && !maskMissing {
			t.Fatalf("missing %v: ordering %v in [%g, %g]", missing, r.Ordering, low, high)
		}
		if r.Ordering == nil && len(r.Missing) == 0 {
			t.Fatal("there is no ordering, and nothing is missing")
		}
	}
}

// TestVisionRewardUnasked: what a mask hides need not be asked.
func TestVisionRewardUnasked(t *testing.T) {
	v, _ := madeUp(t)
	var yes [30]bool // no body, no face, no hands
	all := answered(v, 1, yes, nil)
	some := slices.DeleteFunc(slices.Clone(all), func(a assay.Answer) bool { return len(a.Question.Needs) > 0 })
	if len(all)-len(some) != 8 {
		t.Fatalf("%d questions have masks", len(all)-len(some))
	}
	full, short := result(t, v, all), result(t, v, some)
	if short.Ordering == nil || *short.Ordering != *full.Ordering || len(short.Missing) != 0 {
		t.Errorf("%v, want %v; missing %v", short.Ordering, *full.Ordering, short.Missing)
	}
}

// TestVisionRewardAnswers: which answers count.
func TestVisionRewardAnswers(t *testing.T) {
	v, _ := madeUp(t)
	var yes [30]bool
	all := answered(v, 1, yes, nil)
	want := *result(t, v, all).Ordering
	other := func(change func(*assay.Answer)) assay.Answer {
		a := all[5] // visionreward.04
		a.Belief.P = 0.9
		change(&a)
		return a
	}
	for name, c := range map[string]struct {
		extra   assay.Answer
		changes bool
	}{
		"a repeat":             {other(func(a *assay.Answer) { a.Repeat = 1 }), false},
		"a void answer":        {other(func(a *assay.Answer) { a.Void = "a control failed" }), false},
		"another text":         {other(func(a *assay.Answer) { a.Question.Version = "0123456789ab" }), false},
		"another set":          {other(func(a *assay.Answer) { a.Question.ID = "composition.lost" }), false},
		"a later answer":       {other(func(a *assay.Answer) { a.Created = time.Now() }), true},
		"a series of its own":  {other(func(a *assay.Answer) { a.Series = "z" }), true},
		"another set's, other": {other(func(a *assay.Answer) { a.Question.ID, a.Judge.Name = "detail.face", "x" }), false},
	} {
		r := result(t, v, append(slices.Clone(all), c.extra))
		if (*r.Ordering != want) != c.changes {
			t.Errorf("%s: %g, was %g", name, *r.Ordering, want)
		}
	}
	for name, extra := range map[string]assay.Answer{
		"another judge":  other(func(a *assay.Answer) { a.Judge.Model = "other" }),
		"another image":  other(func(a *assay.Answer) { a.Image = assay.DigestOf([]byte("y")) }),
		"no probability": other(func(a *assay.Answer) { a.Belief.P = math.NaN() }),
	} {
		if _, err := v.Result(append(slices.Clone(all), extra)); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	all[5].Void = "a control failed"
	if r := result(t, v, all); r.Ordering != nil || !slices.Equal(r.Missing, []string{"visionreward.04: void: a control failed"}) {
		t.Errorf("ordering %v, missing %v", r.Ordering, r.Missing)
	}
	if r := result(t, v, nil); r.Ordering != nil || len(r.Missing) != 31 {
		t.Errorf("without answers: ordering %v, %d missing", r.Ordering, len(r.Missing))
	}
}

// TestVisionRewardJSON: the one number over all dimensions is called an ordering,
// says so, and is null where it is not known.
func TestVisionRewardJSON(t *testing.T) {
	v, _ := madeUp(t)
	var yes [30]bool
	text, err := json.Marshal(result(t, v, answered(v, 1, yes, func(id string) bool { return id == "visionreward.09" })))
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(text, &keys); err != nil {
		t.Fatal(err)
	}
	var names []string
	for key := range keys {
		names = append(names, key)
	}
	slices.Sort(names)
	if want := []string{"asked", "dimensions", "judge", "label", "methods", "missing", "ordering", "ordering_high", "ordering_low", "version"}; !slices.Equal(names, want) {
		t.Errorf("keys %v, want %v", names, want)
	}
	if string(keys["ordering"]) != "null" || !strings.Contains(string(keys["label"]), "no score") || !strings.Contains(string(keys["label"]), "in place of VQAScore") ||
		!strings.Contains(string(keys["label"]), "some-vlm") || !strings.Contains(string(keys["label"]), v.Version()) {
		t.Errorf("ordering %s, label %s", keys["ordering"], keys["label"])
	}
}

func TestVisionRewardCompare(t *testing.T) {
	v, _ := madeUp(t)
	var good [30]bool
	for i := range good {
		good[i] = true
	}
	bad := good
	bad[3], bad[4] = false, false
	full, worse := result(t, v, answered(v, 1, good, nil)), result(t, v, answered(v, 1, bad, nil))
	if got, err := full.Compare(worse); got != 1 || err != nil {
		t.Error(got, err)
	}
	if got, err := worse.Compare(full); got != -1 || err != nil {
		t.Error(got, err)
	}
	if got, err := full.Compare(full); got != 0 || err != nil {
		t.Error(got, err)
	}
	open := result(t, v, answered(v, 1, good, func(id string) bool { return id == "visionreward.03" }))
	if _, err := full.Compare(open); !errors.Is(err, assay.ErrUnavailable) {
		t.Error(err)
	}
	for name, change := range map[string]func(*VisionRewardResult){
		"judge":   func(r *VisionRewardResult) { r.Judge.Model = "other" },
		"version": func(r *VisionRewardResult) { r.Version = "other" },
		"prompt":  func(r *VisionRewardResult) { r.Asked = "other" },
		"method":  func(r *VisionRewardResult) { r.Methods = []assay.Method{assay.BySamples} },
	} {
		o := worse
		change(&o)
		if _, err := full.Compare(o); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("another %s: %v", name, err)
		}
	}
}

func TestVisionRewardQuestions(t *testing.T) {
	v, _ := madeUp(t)
	qs := v.Questions("a fox\nat night?")
	if len(qs) != 31 || qs[0].ID != "visionreward.alignment" || qs[0].Text != "Does the picture show this: “a fox at night?”?" {
		t.Errorf("%d questions, first %+v", len(qs), qs[0])
	}
	if len(v.Questions(" ")) != 30 {
		t.Error("an empty prompt is asked for")
	}
	at := map[string]int{}
	for i, q := range qs {
		if at[q.ID] = i; q.Version != VersionOf(q) {
			t.Errorf("%+v", q)
		}
		for _, need := range q.Needs {
			if j, ok := at[need]; !ok || qs[j].Kind != "presence" {
				t.Errorf("%s needs %s", q.ID, need)
			}
		}
		if strings.TrimSpace(q.Text) != q.Text {
			t.Errorf("%q has spaces around it", q.Text)
		}
	}
}

func TestReadVisionRewardErrors(t *testing.T) {
	line := func(i int) string { return fmt.Sprintf("Is it number %d?\n", i) }
	list := ""
	for i := range 30 {
		list += line(i)
	}
	coef := `{"coef":[` + strings.Repeat("1,", 27) + `1],"intercept":[0]}`
	if _, err := ReadVisionReward([]byte(list), []byte(coef)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string][2]string{
		"29 lines":          {strings.TrimPrefix(list, line(0)), coef},
		"31 lines":          {list + line(30), coef},
		"one twice":         {strings.Replace(list, line(1), line(0), 1), coef},
		"an empty line":     {strings.Replace(list, line(1), "\n", 1), coef},
		"no question":       {strings.Replace(list, line(1), "It is.\n", 1), coef},
		"not text":          {strings.Replace(list, line(1), "Is \xff it?\n", 1), coef},
		"27 coefficients":   {list, strings.Replace(coef, "1,", "", 1)},
		"no intercept":      {list, strings.Replace(coef, "[0]", "[]", 1)},
		"not JSON":          {list, coef[:20]},
		"more than JSON":    {list, coef + "1"},
		"unknown keys":      {list, strings.Replace(coef, "{", `{"scale":1,`, 1)},
		"no number":         {list, strings.Replace(coef, "1,", "null,", 1) + "x"},
		"beyond any number": {list, strings.Replace(coef, "1,", "1e999,", 1)},
		"beyond any weight": {list, strings.Replace(coef, "1,", "1e300,", 1)},
	} {
		if _, err := ReadVisionReward([]byte(c[0]), []byte(c[1])); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := OpenVisionReward(&weights.Cache{Dir: t.TempDir()}); !errors.Is(err, assay.ErrUnavailable) || !strings.Contains(err.Error(), "assay models pull visionreward-questions") {
		t.Error(err)
	}
}

// TestVisionRewardPublished reads the published files, where they are installed,
// and holds results to values that the published script's arithmetic gives.
func TestVisionRewardPublished(t *testing.T) {
	cache, err := weights.DefaultCache(nil)
	if err != nil {
		t.Skip(err)
	}
	v, err := OpenVisionReward(cache)
	if err != nil {
		t.Skip(err)
	}
	for _, c := range []struct {
		yes       string
		alignment float64
		want      float64
	}{
		{strings.Repeat("y", 30), 1, 4.891194174010989},
		{strings.Repeat("n", 30), 0, -2.1619411086277203},
		{"yynnyynnyynnnyyynyyyynynnnnnny", 0.8788666603380416, 1.9476440585604053},
		{"yyynynnnnnnnynynynyynnyynnynyn", 0.8970961581972642, 1.2957023336831544},
		{"ynnnyyynnnyynyyyyynnnyynnnynnn", 0.8698915207391454, 3.12643381922299},
		{"nynnynnnnnynnynyynnnnnnyyynnnn", 0.5926718756664892, 0.993431540537927},
	} {
		var yes [30]bool
		for i := range yes {
			yes[i] = c.yes[i] == 'y'
		}
		r := result(t, v, answered(v, c.alignment, yes, nil))
		if math.Abs(*r.Ordering-c.want) > 1e-12 {
			t.Errorf("%s: %.16g, want %.16g", c.yes, *r.Ordering, c.want)
		}
	}
	sum := 0.0
	for _, x := range v.coef[1:] {
		sum += x
	}
	if len(v.coef) != 28 || math.Abs(v.coef[0]-2.3543) > 1e-4 || math.Abs(sum-2.5369) > 1e-4 {
		t.Errorf("%d coefficients, %g and %g", len(v.coef), v.coef[0], sum)
	}
}

func FuzzReadVisionReward(f *testing.F) {
	f.Add([]byte("Is it?\n"), []byte(`{"coef":[1],"intercept":[0]}`))
	f.Add([]byte(strings.Repeat("x?\n", 30)), []byte(`{"coef":[`+strings.Repeat("1,", 27)+`1],"intercept":[0]}`))
	f.Fuzz(func(t *testing.T, list, coef []byte) {
		v, err := ReadVisionReward(list, coef)
		if err != nil {
			if !errors.Is(err, assay.ErrInvalid) {
				t.Error(err)
			}
			return
		}
		r := result(t, v, answered(v, 0.5, [30]bool{}, nil))
		if _, err := json.Marshal(r); err != nil {
			t.Error(err)
		}
	})
}
