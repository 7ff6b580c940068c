package rank

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
)

// random draws m votes over n items of normal strengths under Davidson's model.
func random(n, m int, nu, delta float64, seed uint64) ([]Vote, []float64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	theta := make([]float64, n)
	for i := range theta {
		theta[i] = rng.NormFloat64()
	}
	votes := make([]Vote, m)
	for k := range votes {
		a, b := rng.IntN(n), rng.IntN(n-1)
		if b >= a {
			b++
		}
		win, _, tie, _ := chances(theta[a]-theta[b]+delta, math.Log(nu))
		o := assay.Right
		switch u := rng.Float64(); {
		case u < win:
			o = assay.Left
		case u < win+tie:
			o = assay.Tie
		}
		votes[k] = Vote{Left: a, Right: b, Outcome: o}
	}
	return votes, theta
}

// BenchmarkFitMillion fits a million judgments over a hundred thousand items.
func BenchmarkFitMillion(b *testing.B) {
	for _, c := range []struct {
		name string
		opt  Options
		nu   float64
	}{
		{"plain", Options{}, 0},
		{"ties and side", Options{Side: true}, .5},
	} {
		b.Run(c.name, func(b *testing.B) {
			votes, _ := random(100_000, 1_000_000, c.nu, .2, 7)
			b.ReportAllocs()
			steps := 0
			for b.Loop() {
				f, err := Estimate(b.Context(), 100_000, votes, c.opt)
				if err != nil {
					b.Fatal(err)
				}
				steps = f.Iterations
			}
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(m.Sys)/(1<<20), "MiB-from-OS")
			b.ReportMetric(float64(steps), "newton-steps")
		})
	}
}

// BenchmarkFitRound refits what one creator has after a few weeks.
func BenchmarkFitRound(b *testing.B) {
	for _, n := range []int{200, 1000, 2000} {
		b.Run("items="+map[int]string{200: "200", 1000: "1000", 2000: "2000"}[n], func(b *testing.B) {
			votes, _ := random(n, 5*n, .3, 0, 8)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Estimate(b.Context(), n, votes, Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEIG(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		EIG(.7, 1.3)
	}
}

func BenchmarkNextPairs(b *testing.B) {
	votes, _ := random(500, 3000, .3, 0, 9)
	f, err := Estimate(b.Context(), 500, votes, Options{})
	if err != nil {
		b.Fatal(err)
	}
	items := make([]int, 300)
	for i := range items {
		items[i] = i
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NextPairs(f, items, 5, PairOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFitFile fits the votes of the file that ASSAY_BENCH_VOTES names, a line
// "winner loser" of item numbers each: reference/rank_speed.py holds it against
// other programs.
func BenchmarkFitFile(b *testing.B) {
	name := os.Getenv("ASSAY_BENCH_VOTES")
	if name == "" {
		b.Skip("ASSAY_BENCH_VOTES names no file of votes")
	}
	data, err := os.ReadFile(name)
	if err != nil {
		b.Fatal(err)
	}
	var votes []Vote
	n := 0
	for line := range strings.Lines(string(data)) {
		v := Vote{Outcome: assay.Left, Unordered: true}
		if _, err := fmt.Sscan(line, &v.Left, &v.Right); err != nil {
			b.Fatal(err)
		}
		votes, n = append(votes, v), max(n, v.Left+1, v.Right+1)
	}
	var fit *Fit
	for b.Loop() {
		if fit, err = Estimate(b.Context(), n, votes, Options{Prior: NoPrior}); err != nil {
			b.Fatal(err)
		}
	}
	b.Logf("strengths %s", strings.Trim(fmt.Sprint(fit.Strength), "[]"))
}
