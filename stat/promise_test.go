package stat

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gen-emerge/assay"
)

// TestConformalMin checks the printed counts, and that they are the least.
func TestConformalMin(t *testing.T) {
	for _, c := range []struct {
		alpha, bound float64
		want         int
	}{{.1, 1, 9}, {.05, 1, 19}, {.2, 1, 4}, {.01, 1, 99}, {.05, 2, 39}, {.3, 1, 3}, {2, 1, 1}, {1. / 49, 1, 48}} {
		if got, err := ConformalMin(c.alpha, c.bound); got != c.want || err != nil {
			t.Errorf("alpha %g, bound %g: %d, %v; want %d", c.alpha, c.bound, got, err, c.want)
		}
	}
	for _, c := range [][2]float64{{0, 1}, {-1, 1}, {.1, 0}, {math.NaN(), 1}, {.1, math.Inf(1)}, {1e-300, 1}} {
		_, err := ConformalMin(c[0], c[1])
		invalid(t, "minimum", err)
	}
	_, err := LowConformal(make([]float64, 18), .05)
	var short *ShortageError
	if !errors.As(err, &short) || short.Need != 19 || short.Have != 18 || !errors.Is(err, assay.ErrUnavailable) {
		t.Errorf("18 scores: %v", err)
	}
	if want := "an expected loss of at most 0.05 needs n >= 19 labels, there are 18"; err.Error() != want {
		t.Errorf("18 scores: %q, want %q", err, want)
	}
}

// TestConformalThresholdIsConformalRisk holds the short way against the general
// one, with every score as a setting, from the boldest down.
func TestConformalThresholdIsConformalRisk(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for _, n := range []int{9, 19, 20, 57, 200} {
		for _, alpha := range []float64{.1, .15, .3, .9} {
			good, neg := make([]float64, n), make([]float64, n)
			for i := range good {
				good[i] = math.Round(20*rng.NormFloat64()) / 20 // with ties
				neg[i] = -good[i]
			}
			settings := slices.Sorted(slices.Values(good))
			slices.Reverse(settings)
			settings = slices.Compact(settings)
			loss := make([][]float64, n)
			for i, g := range good {
				for _, s := range settings {
					l := 0.0
					if g < s {
						l = 1
					}
					loss[i] = append(loss[i], l)
				}
			}
			want, err := ConformalRisk(settings, loss, alpha, 1)
			if err != nil {
				t.Fatal(err)
			}
			low, err := LowConformal(good, alpha)
			if err != nil {
				t.Fatal(err)
			}
			high, err := HighConformal(neg, alpha)
			if err != nil {
				t.Fatal(err)
			}
			if low.Value != want.Value || high.Value != -low.Value || low.Risk > alpha+1e-12 || want.Risk > low.Risk {
				t.Errorf("n %d, alpha %g: %+v and %+v by the short way, %+v by the general one", n, alpha, low, high, want)
			}
		}
	}
}

// TestConformalKeepsItsPromise: over thresholds learned from 19 good scores, the
// next good one is refused one time in twenty, and three times as often if a
// generator has moved.
func TestConformalKeepsItsPromise(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 1))
	const sets = 20000
	refused, moved := 0, 0
	good := make([]float64, 19)
	for range sets {
		for i := range good {
			good[i] = rng.NormFloat64()
		}
		c, err := LowConformal(good, .05)
		if err != nil {
			t.Fatal(err)
		}
		if x := rng.NormFloat64(); x < c.Value {
			refused++
		}
		if x := rng.NormFloat64() - .75; x < c.Value {
			moved++
		}
	}
	near(t, "good ones refused", float64(refused)/sets, .05, 4*math.Sqrt(.05*.95/sets)) // four standard errors
	if share := float64(moved) / sets; share < .1 {
		t.Errorf("a generator that moved: %.3f refused, and the promise of 0.05 does not look broken", share)
	}
}

func TestConformalRisk(t *testing.T) {
	loss := [][]float64{{2, 1, 0}, {1, 1, 0}, {0, 0, 0}, {2, 0, 0}}
	// (sum + 2)/(4 + 1): 7/5, 4/5, 2/5.
	for alpha, want := range map[float64]Conformal{
		1.4: {Value: 7, Index: 0, Risk: 1.4}, 1.3: {Value: 8, Index: 1, Risk: .8}, .8: {Value: 8, Index: 1, Risk: .8}, .79: {Value: 9, Index: 2, Risk: .4},
	} {
		want.N, want.Alpha = 4, alpha
		if got, err := ConformalRisk([]float64{7, 8, 9}, loss, alpha, 2); got != want || err != nil {
			t.Errorf("alpha %g: %+v, %v; want %+v", alpha, got, err, want)
		}
	}
	if _, err := ConformalRisk([]float64{7, 8}, [][]float64{{2, 2}, {2, 1}, {2, 2}, {1, 1}}, .5, 2); !errors.Is(err, assay.ErrUnavailable) {
		t.Errorf("no setting is cautious enough: %v", err)
	}
	for name, bad := range map[string][]float64{"rises": {0, 1, 0}, "below 0": {0, 0, -1}, "above the bound": {3, 0, 0}, "NaN": {math.NaN(), 0, 0}, "short": {1, 0}} {
		_, err := ConformalRisk([]float64{7, 8, 9}, [][]float64{loss[0], loss[1], loss[2], bad}, 1, 2)
		invalid(t, name, err)
	}
	_, err := ConformalRisk(nil, [][]float64{{}, {}, {}, {}}, 1, 2)
	invalid(t, "no settings", err)
	for _, alpha := range []float64{0, 1, math.NaN()} {
		_, err = LowConformal(make([]float64, 50), alpha)
		invalid(t, "alpha", err)
	}
	_, err = HighConformal([]float64{1, math.Inf(1)}, .5)
	invalid(t, "not finite", err)
}

// TestLearnThenTestCounts: a setting is proven from the printed number of labels
// on, and not with one fewer.
func TestLearnThenTestCounts(t *testing.T) {
	for alpha, row := range map[float64][4]int{.05: {59, 93, 124, 153}, .1: {29, 46, 61, 76}, .2: {14, 22, 30, 37}} {
		for k, n := range row {
			got, err := LearnThenTest([]Count{{k, n}}, alpha, .05, true)
			if err != nil || !got.Proven[0] || got.Last != 0 || got.More != 0 {
				t.Errorf("alpha %g, %d of %d: %+v, %v", alpha, k, n, got, err)
			}
			got, err = LearnThenTest([]Count{{k, n - 14}}, alpha, .05, true)
			if n > 14+k && (err != nil || got.Proven[0] || got.Last != -1 || got.More != 14) {
				t.Errorf("alpha %g, %d of %d: %+v, %v; want 14 more", alpha, k, n-14, got, err)
			}
			if got, err = LearnThenTest([]Count{{k, n - 1}}, alpha, .05, true); err != nil || got.Proven[0] || got.More != 1 {
				t.Errorf("alpha %g, %d of %d: %+v, %v; want one more", alpha, k, n-1, got, err)
			}
		}
	}
	seen := []Count{{0, 100}, {0, 100}, {9, 100}, {0, 100}}
	got, err := LearnThenTest(seen, .05, .05, true)
	if err != nil || !slices.Equal(got.Proven, []bool{true, true, false, false}) || got.Last != 1 || got.More == 0 {
		t.Errorf("in order: %+v, %v; want a stop at the third", got, err)
	}
	got, err = LearnThenTest(seen, .05, .05, false)
	if err != nil || !slices.Equal(got.Proven, []bool{true, true, false, true}) || got.Last != 1 {
		t.Errorf("in any order: %+v, %v; want the fourth proven too", got, err)
	}
	if got.More <= 0 {
		t.Errorf("in any order: %d more labels", got.More)
	}
	// 0 of 59 is proven alone, p = 0.0485, and not as one of three.
	got, err = LearnThenTest([]Count{{0, 59}, {20, 59}, {20, 59}}, .05, .05, false)
	if err != nil || slices.Contains(got.Proven, true) || got.Last != -1 || got.More != 80-59 { // ln(0.05/3)/ln 0.95 = 79.8
		t.Errorf("one of three: %+v, %v; want nothing proven and 21 more labels", got, err)
	}
	for _, bad := range []struct {
		seen         []Count
		alpha, delta float64
	}{{nil, .1, .1}, {[]Count{{3, 2}}, .1, .1}, {[]Count{{0, 0}}, .1, .1}, {seen, 0, .1}, {seen, .1, 1}, {seen, .1, math.NaN()}} {
		_, err := LearnThenTest(bad.seen, bad.alpha, bad.delta, true)
		invalid(t, "learn then test", err)
	}
}

// TestLearnThenTestKeepsItsPromise learns on one set of labels at thresholds whose
// rates of errors rise past alpha, and counts how often anything false is proven.
// Taking the boldest threshold whose count alone looks good breaks the promise.
func TestLearnThenTestKeepsItsPromise(t *testing.T) {
	rates := []float64{.02, .05, .08, .101, .102, .103, .104, .105, .106}
	const sets, n, alpha, delta = 2000, 150, .1, .1
	rng := rand.New(rand.NewPCG(8, 8))
	var wrong [2]int
	naive, useful := 0, 0
	for range sets {
		seen := make([]Count, len(rates))
		for range n {
			u := rng.Float64()
			for j, r := range rates {
				seen[j].N++
				if u < r {
					seen[j].K++
				}
			}
		}
		for way := range wrong {
			got, err := LearnThenTest(seen, alpha, delta, way == 0)
			if err != nil {
				t.Fatal(err)
			}
			if slices.Contains(got.Proven[3:], true) {
				wrong[way]++
			}
			if way == 0 && got.Last >= 0 {
				useful++
			}
		}
		if float64(seen[3].K) <= alpha*n {
			naive++
		}
	}
	slack := 4 * math.Sqrt(delta*(1-delta)/sets) // four standard errors
	for way, k := range wrong {
		if share := float64(k) / sets; share > delta+slack || way == 0 && share < delta/4 {
			t.Errorf("way %d: something false is proven in %.3f of sets, promised is %g", way, share, delta)
		}
	}
	if share := float64(useful) / sets; share < .95 {
		t.Errorf("the surest threshold is proven in %.3f of sets only", share)
	}
	if share := float64(naive) / sets; share < 2*delta {
		t.Errorf("going by the count alone is wrong in %.3f of sets: this test could not fail", share)
	}
}

// TestBetting: of successes, the stake is the likelihood ratio.
func TestBetting(t *testing.T) {
	b, err := NewBetting(.8, .6, .05)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "bet", b.Lambda, 1.25, 1e-15)
	want := 1.0
	for k, x := range []float64{1, 0, 0, 1, 0, 0, 0, 1, 1} {
		ratio := .6 / .8
		if x == 0 {
			ratio = .4 / .2
		}
		want *= ratio
		alarm, err := b.Add(x)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "stake", b.M(), want, 1e-13*want)
		if alarm {
			t.Errorf("alarm after %d with %g", k+1, want)
		}
	}
	for b.Alarm == 0 {
		if _, err := b.Add(0); err != nil {
			t.Fatal(err)
		}
	}
	if b.N != 10 || b.Alarm != 10 || b.M() < 20 { // 0.75⁴·2⁶ = 20.25
		t.Errorf("%+v with M %g, want an alarm at 10 with 20.25", b, b.M())
	}
	before := *b
	for _, x := range []float64{-.1, 1.1, math.NaN(), math.Inf(1)} {
		_, err := b.Add(x)
		invalid(t, "observation", err)
	}
	if *b != before {
		t.Errorf("what is refused changed %+v to %+v", before, *b)
	}
	if alarm, err := b.Add(1); !alarm || err != nil {
		t.Errorf("the alarm does not stand: %v, %v", alarm, err)
	}
	for _, bad := range [][3]float64{{.5, .5, .1}, {.5, .6, .1}, {1, .5, .1}, {.5, 0, .1}, {.6, .5, 0}, {.6, .5, 1}, {math.NaN(), .5, .1}} {
		_, err := NewBetting(bad[0], bad[1], bad[2])
		invalid(t, "betting", err)
	}
}

// TestBettingKeepsItsPromise looks after each of 1500 observations. Marks between 0
// and 1, and chances that depend on what was seen before, are no way around.
func TestBettingKeepsItsPromise(t *testing.T) {
	const runs, steps, alpha = 1000, 1500, .1
	rng := rand.New(rand.NewPCG(7, 9))
	watch := func(next func(last float64) float64) (alarms, delay float64) {
		for range runs {
			b, err := NewBetting(.75, .55, alpha)
			if err != nil {
				t.Fatal(err)
			}
			for x := 1.0; b.N < steps && b.Alarm == 0; {
				x = next(x)
				if _, err := b.Add(x); err != nil {
					t.Fatal(err)
				}
			}
			if b.Alarm > 0 {
				alarms, delay = alarms+1, delay+float64(b.Alarm)
			}
		}
		return alarms / runs, delay / max(alarms, 1)
	}
	coin := func(p float64) float64 {
		if rng.Float64() < p {
			return 1
		}
		return 0
	}
	slack := 4 * math.Sqrt(alpha*(1-alpha)/runs)
	for name, next := range map[string]func(float64) float64{
		"successes": func(float64) float64 { return coin(.75) },
		"marks":     func(float64) float64 { return .5 + .5*rng.Float64() },
		"moody":     func(last float64) float64 { return coin(.75 + .24*(1-last)) }, // never below 0.75
	} {
		alarms, _ := watch(next)
		if t.Logf("%s: false alarms ever in %.3f of runs", name, alarms); alarms > alpha+slack {
			t.Errorf("%s: false alarms ever in %.3f of runs, promised is %g", name, alarms, alpha)
		}
	}
	fallen, delay := watch(func(float64) float64 { return coin(.55) })
	t.Logf("fallen: alarms in %.3f of runs, after %.1f observations on average", fallen, delay)
	if fallen < .999 || delay > 40 {
		t.Errorf("a fall to 0.55: alarms in %.3f of runs, after %.1f observations on average", fallen, delay)
	}
}
