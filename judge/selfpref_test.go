package judge

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gen-emerge/assay"
)

// preferences are pairs whose people follow the families' worths and whose judge
// adds delta for its own.
func preferences(n int, delta float64, seed uint64) (out []Preference) {
	rng := rand.New(rand.NewPCG(seed, 3))
	families := []string{"qwen", "openai", "google"}
	worth := []float64{0.3, 0, -0.5}
	beats := func(l float64) float64 { return float64(bit(rng.Float64() < 1/(1+math.Exp(-l)))) }
	for len(out) < n {
		a, b := rng.IntN(3), rng.IntN(3)
		l := worth[a] - worth[b]
		out = append(out, Preference{A: families[a], B: families[b], Person: beats(l), Judge: beats(l + delta*float64(bit(a == 0)-bit(b == 0)))})
	}
	return out
}

func TestSelfPreferenceFindsDelta(t *testing.T) {
	ctx := context.Background()
	got, err := SelfPreference(ctx, "Qwen", preferences(4000, 1, 1), 1)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(got.Value-1) > 0.2 || got.Low > 1 || got.High < 1 || got.High-got.Low > 0.5 {
		t.Errorf("%+v; want about 1", got)
	}
	held := 0
	for seed := range uint64(30) {
		d, err := SelfPreference(ctx, "qwen", preferences(150, 0, seed+1000), seed)
		if err != nil {
			t.Fatal(err)
		}
		held += bit(d.Low <= 0 && 0 <= d.High)
	}
	if held < 24 { // of 30 at 0.93, as measured on 300: fewer than 24 has probability 0.003
		t.Errorf("a fair judge's interval held 0 in %d of 30", held)
	}
	// Unanimous pairs have a finite answer.
	one := []Preference{}
	for range 12 {
		one = append(one, Preference{A: "qwen", B: "openai", Person: 0, Judge: 1})
	}
	if d, err := SelfPreference(ctx, "qwen", one, 1); err != nil || !(d.Value > 1) || math.IsInf(d.High, 0) {
		t.Errorf("%+v, %v", d, err)
	}
	for name, ps := range map[string][]Preference{"none": nil, "no own": {{A: "a", B: "b"}}, "outcome": {{A: "qwen", B: "b", Judge: 2}}} {
		if d, err := SelfPreference(ctx, "qwen", ps, 1); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: %+v, %v; want ErrInvalid", name, d, err)
		}
	}
}

// A judge that favours its own family is found out, and the pairs with its family
// do not count for its accuracy.
func TestAuditFindsSelfPreference(t *testing.T) {
	for _, favour := range []float64{0, 12} {
		g := newGallery(t, 100, 21)
		own := map[assay.Digest]bool{}
		for i := range g.Pairs {
			g.Pairs[i].A.Family, g.Pairs[i].B.Family = "openai", "google"
			if i%4 == 0 {
				g.Pairs[i].B.Family = "Qwen"
				own[g.Pairs[i].B.Image] = true
			}
		}
		m, p := g.judge(seeing[3], 21, true)
		p.favour, p.own = favour, own
		r, err := Audit(context.Background(), m, g.Material, AuditOptions{Seed: 21, Ask: Options{Controls: g.controls}})
		if err != nil {
			t.Fatal(err)
		}
		s := r.Self
		if s == nil || s.Pairs < leastOwn || s.Delta == nil {
			t.Fatalf("favour %g: %+v", favour, s)
		}
		want := Pass
		if favour > 0 {
			want = Fail
		}
		if s.Verdict != want || r.Pairs.N > 75 || r.Trust.Accuracy < 0.85 || !r.Trust.Fit {
			t.Errorf("favour %g: %+v, %+v, %v", favour, s, r.Pairs, r.Trust.Reasons)
		}
	}
}
