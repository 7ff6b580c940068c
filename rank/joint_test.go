package rank

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/gen-emerge/assay"
)

func joined(t testing.TB, n, raters int, votes []JointVote, orders []Order, opt JointOptions) *Joint {
	t.Helper()
	j, err := EstimateJoint(context.Background(), n, raters, votes, orders, opt)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// With one rater, no grades and votes without sides the joint model is the plain
// one, whose numbers are held by published ones.
func TestJointIsTheModelOfOneRater(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 1))
	sim := simulation{n: 12, raters: []simRater{{votes: 150, eta: 1}}, tie: -0.5}
	votes, _ := sim.draw(rng)
	plain := make([]Vote, len(votes))
	for k := range votes {
		votes[k].Rater = 0
		plain[k] = votes[k].Vote
	}
	for _, side := range []bool{false, true} {
		for k := range votes {
			votes[k].Unordered, plain[k].Unordered = !side, !side
		}
		fit, err := Estimate(context.Background(), sim.n, plain, Options{Side: side})
		if err != nil {
			t.Fatal(err)
		}
		j := joined(t, sim.n, 1, votes, nil, JointOptions{})
		for i := range sim.n {
			if math.Abs(j.Strength[i]-fit.Strength[i]) > 1e-4 || math.Abs(j.StdErr[i]-fit.StdErr[i]) > 1e-4 || math.Abs(j.Sandwich[i]-fit.Sandwich[i]) > 1e-4 {
				t.Errorf("item %d: %g ± %g (%g), want %g ± %g (%g)", i, j.Strength[i], j.StdErr[i], j.Sandwich[i], fit.Strength[i], fit.StdErr[i], fit.Sandwich[i])
			}
		}
		if math.Abs(j.Tie.Value-fit.Tie.Value) > 1e-4 || math.Abs(j.Tie.StdErr-fit.Tie.StdErr) > 1e-4 || math.Abs(j.LogLik-fit.LogLik) > 1e-4 {
			t.Errorf("tie %v, log-likelihood %g; want %v, %g", j.Tie, j.LogLik, fit.Tie, fit.LogLik)
		}
		if (j.Side != nil) != side || side && math.Abs(j.Side.Value-fit.Side.Value) > 1e-4 {
			t.Errorf("side %v, want %v", j.Side, fit.Side)
		}
		if r := j.Raters[0]; r.Reliability != 1 || !math.IsNaN(r.StdErr) || r.Random != 0 || r.Votes != 150 {
			t.Errorf("a rater alone: %+v", r)
		}
	}
}

// An order of two is a vote; one of three is fitted to the maximum that its
// likelihood has by hand.
func TestJointOrders(t *testing.T) {
	vote := joined(t, 2, 1, []JointVote{{Vote: Vote{Left: 0, Right: 1, Outcome: assay.Left, Unordered: true}}}, nil, JointOptions{})
	order := joined(t, 2, 1, nil, []Order{{Items: []int{0, 1}}}, JointOptions{})
	if math.Abs(vote.Strength[0]-order.Strength[0]) > 1e-9 || math.Abs(vote.StdErr[0]-order.StdErr[0]) > 1e-9 {
		t.Errorf("an order of two: %v ± %v, a vote: %v ± %v", order.Strength, order.StdErr, vote.Strength, vote.StdErr)
	}
	j := joined(t, 3, 1, nil, []Order{{Items: []int{2, 0, 1}}}, JointOptions{})
	x := j.model.x
	p := shares([]float64{x[2], x[0], x[1]})
	q := shares([]float64{x[0], x[1]})
	for i, want := range []float64{1 - p[1] - q[0], -p[2] - q[1], 1 - p[0]} { // of items 0, 1, 2: the score balances the prior
		if math.Abs(want-x[i]) > 1e-7 {
			t.Errorf("item %d: score %g against prior %g", i, want, x[i])
		}
	}
}

// A simulation draws votes of raters whose truth is known.
type simulation struct {
	n      int
	raters []simRater
	tie    float64 // log ν; −Inf for no ties
	side   float64
	own    float64 // spread of raters' own strengths
	spread float64 // of strengths; 0 for 1
	strong float64 // log μ of "much better"; 0 for no grades
}

type simRater struct {
	votes       int
	eta, random float64
}

func (s simulation) draw(rng *rand.Rand) (votes []JointVote, theta []float64) {
	theta = make([]float64, s.n)
	for i := range theta {
		theta[i] = max(s.spread, 1) * rng.NormFloat64()
	}
	for r, rater := range s.raters {
		own := make([]float64, s.n)
		for i := range own {
			own[i] = theta[i] + s.own*rng.NormFloat64()
		}
		for range rater.votes {
			i := rng.IntN(s.n)
			k := (i + 1 + rng.IntN(s.n-1)) % s.n
			v := JointVote{Vote: Vote{Left: i, Right: k, Outcome: assay.Left}, Rater: r}
			d := rater.eta*(own[i]-own[k]) + s.side
			w := []float64{math.Exp(d / 2), math.Exp(s.tie), math.Exp(-d / 2), 0, 0}
			if s.strong != 0 {
				w[3], w[4] = math.Exp(d+s.strong), math.Exp(-d+s.strong)
			}
			sum := 0.0
			for _, x := range w {
				sum += x
			}
			for c := range w {
				w[c] /= sum
			}
			pick := draw(rng, w)
			if rng.Float64() < rater.random {
				pick = []int{0, 2}[rng.IntN(2)]
			}
			v.Outcome = []assay.Outcome{assay.Left, assay.Tie, assay.Right, assay.Left, assay.Right}[pick]
			v.Grade = []int{0, 0, 0, -2, 2}[pick]
			votes = append(votes, v)
		}
	}
	return votes, theta
}

// Reliabilities, the share of random clicks and the spread of own tastes come
// back as they were put in.
func TestJointRecoversRaters(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 2))
	sim := simulation{n: 25, tie: -1, side: 0.3, spread: 3, raters: []simRater{{300, 1, 0}, {300, 2, 0}, {300, 0.4, 0}, {300, 1, 0.4}, {300, 0, 0}}}
	votes, theta := sim.draw(rng)
	j := joined(t, sim.n, len(sim.raters), votes, nil, JointOptions{Prior: 1.0 / 9})
	typical := j.Raters[0].Reliability
	for r, want := range []float64{1, 2, 0.4} {
		if got := j.Raters[r].Reliability / typical; got < want/1.35 || got > want*1.35 {
			t.Errorf("rater %d is of reliability %.2f, want %.2f", r, got, want)
		}
	}
	if c := j.Raters[4].Reliability / typical; c > 0.2 {
		t.Errorf("the coin is of reliability %.2f", c)
	}
	// Of one who clicks at random now and then it is hard to say whether they are
	// careless or unsure; that they are worth less is plain.
	if a, b := j.Raters[0], j.Raters[3]; a.Random > 0.05 || b.Random > 0.5 || b.Reliability*(1-b.Random) > 0.7*typical {
		t.Errorf("a careful rater: %+v; one with 40 %% of clicks at random: %+v", a, b)
	}
	if math.Abs(j.Side.Value-0.3) > 3*j.Side.StdErr || j.Side.StdErr > 0.3 {
		t.Errorf("side %+v, want 0.3", j.Side)
	}
	if c := correlation(j.Strength, theta); c < 0.97 {
		t.Errorf("strengths correlate %.3f with the truth", c)
	}
	if j.Own > 0.35 {
		t.Errorf("raters of one taste are said to differ by %.2f", j.Own)
	}
	sim = simulation{n: 15, tie: -1, own: 0.8}
	for range 6 {
		sim.raters = append(sim.raters, simRater{150, 1, 0})
	}
	votes, _ = sim.draw(rng)
	if j = joined(t, sim.n, len(sim.raters), votes, nil, JointOptions{}); j.Own < 0.55 || j.Own > 1.05 {
		t.Errorf("raters' own strengths spread by %.2f, want 0.8", j.Own)
	}
}

func correlation(a, b []float64) float64 {
	var sa, sb, saa, sbb, sab float64
	n := float64(len(a))
	for i := range a {
		sa, sb, saa, sbb, sab = sa+a[i], sb+b[i], saa+a[i]*a[i], sbb+b[i]*b[i], sab+a[i]*b[i]
	}
	return (n*sab - sa*sb) / math.Sqrt((n*saa-sa*sa)*(n*sbb-sb*sb))
}

// The 95 % intervals of differences hold the truth 93 to 97 times in a hundred.
// Strengths are drawn from the prior, so that its intervals can be right.
func TestJointCoverage(t *testing.T) {
	runs := 15
	if long() {
		runs = 1000
	}
	rng := rand.New(rand.NewPCG(11, 3))
	var held, wide, all int
	for range runs {
		sim := simulation{n: 10, tie: -1, own: 0.4, strong: -0.5, raters: []simRater{{60, 1, 0}, {60, 1, 0}, {60, 0.7, 0}, {60, 1.4, 0}}}
		votes, theta := sim.draw(rng)
		j := joined(t, sim.n, len(sim.raters), votes, nil, JointOptions{})
		var centre float64
		for _, x := range theta {
			centre += x / float64(sim.n)
		}
		for i := range theta {
			all++
			if d := math.Abs(j.Strength[i] - (theta[i] - centre)); d <= 1.96*j.StdErr[i] {
				held++
			}
			if j.StdErr[i] > 1 {
				wide++
			}
		}
	}
	share := float64(held) / float64(all)
	t.Logf("%d of %d intervals hold the truth: %.3f", held, all, share)
	lo, hi := 0.88, 0.995 // 150 intervals, ten alike: 95 ± 3.5 %
	if long() {
		lo, hi = 0.93, 0.97
	}
	if share < lo || share > hi || wide > all/20 {
		t.Errorf("%.3f of the intervals hold the truth; %d of %d are wider than ±2", share, wide, all)
	}
}

// Where the covariance is too large the sampled errors agree with the exact ones.
func TestJointSampledErrors(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 4))
	sim := simulation{n: 20, tie: -1, own: 0.3, raters: []simRater{{150, 1, 0}, {150, 1.5, 0}}}
	votes, _ := sim.draw(rng)
	for k := range votes {
		votes[k].Cluster = 1 + k/5
	}
	orders := []Order{{Items: []int{3, 1, 4, 15, 9}, Rater: 1, Cluster: 1000}}
	exact := joined(t, sim.n, 2, votes, orders, JointOptions{})
	sampled := joined(t, sim.n, 2, votes, orders, JointOptions{Dense: 1})
	if exact.Draws != 0 || len(exact.Warnings) != 0 || sampled.Draws == 0 || len(sampled.Warnings) != 1 || exact.Clusters != 61 {
		t.Fatalf("draws %d and %d, %d clusters", exact.Draws, sampled.Draws, exact.Clusters)
	}
	for i := range sim.n {
		for _, pair := range [][2]float64{{sampled.StdErr[i], exact.StdErr[i]}, {sampled.Sandwich[i], exact.Sandwich[i]}} {
			if r := pair[0] / pair[1]; r < 0.7 || r > 1.35 {
				t.Errorf("item %d: sampled %.3f, exact %.3f", i, pair[0], pair[1])
			}
		}
	}
}

// A taste that turns is found to have a half-life, one that stays is not.
func TestJointHalfLife(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 5))
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	series := func(votes int, drift float64) []JointVote {
		theta := make([]float64, 10)
		for i := range theta {
			theta[i] = 1.5 * rng.NormFloat64()
		}
		var out []JointVote
		for k := range votes {
			for i := range theta {
				theta[i] += drift * rng.NormFloat64()
			}
			i := rng.IntN(10)
			j := (i + 1 + rng.IntN(9)) % 10
			v := JointVote{Vote: Vote{Left: i, Right: j, Outcome: assay.Right}, Time: begin.Add(time.Duration(k) * time.Minute)}
			if rng.Float64() < 1/(1+math.Exp(theta[j]-theta[i])) {
				v.Outcome = assay.Left
			}
			out = append(out, v)
		}
		return out
	}
	still := joined(t, 10, 1, series(400, 0), nil, JointOptions{}).HalfLife
	moving := joined(t, 10, 1, series(400, 0.15), nil, JointOptions{}).HalfLife
	t.Logf("still: %+v; moving: %+v", *still, *moving)
	if still.Judgments != 0 {
		t.Errorf("a taste that stays has a half-life: %+v", *still)
	}
	if moving.Judgments < 20 || moving.Judgments > 250 || moving.Gain < 2*moving.StdErr {
		t.Errorf("a taste that turns: %+v", *moving)
	}
	given := joined(t, 10, 1, series(50, 0), nil, JointOptions{HalfLife: 30}).HalfLife
	if given.Judgments != 30 || !given.Fixed {
		t.Errorf("a half-life that is given: %+v", *given)
	}
}

// A refit after one more vote is the fit to all votes with the same settings.
func TestJointRefit(t *testing.T) {
	rng := rand.New(rand.NewPCG(19, 6))
	sim := simulation{n: 30, tie: -1, own: 0.5, raters: []simRater{{200, 1, 0}, {200, 1.5, 0.1}}}
	votes, _ := sim.draw(rng)
	before := joined(t, sim.n, 2, votes[:399], nil, JointOptions{})
	warm, err := before.Refit(context.Background(), sim.n, 2, votes, nil)
	if err != nil {
		t.Fatal(err)
	}
	full := joined(t, sim.n, 2, votes, nil, JointOptions{})
	for i := range sim.n {
		if math.Abs(warm.Strength[i]-full.Strength[i]) > 0.05 {
			t.Errorf("item %d: refitted %.3f, fitted %.3f", i, warm.Strength[i], full.Strength[i])
		}
	}
	if warm.StdErr != nil || warm.Steps > before.Steps/2 {
		t.Errorf("the refit took %d steps, the fit %d", warm.Steps, before.Steps)
	}
}

// Of a thousand orders, an item far above the others is first in nearly all, and
// equals share the places.
func TestJointRanks(t *testing.T) {
	var votes []JointVote
	for k := range 200 {
		v := JointVote{Vote: Vote{Left: 0, Right: 1 + k%4, Outcome: assay.Left, Unordered: true}, Rater: 0}
		w := JointVote{Vote: Vote{Left: 1 + k%4, Right: 1 + (k+1)%4, Outcome: []assay.Outcome{assay.Left, assay.Right}[k/4%2], Unordered: true}, Rater: 0}
		votes = append(votes, v, w)
	}
	for _, dense := range []int{0, 1} {
		j := joined(t, 6, 1, votes, nil, JointOptions{Dense: dense})
		ranks := j.Ranks(func(item int) bool { return item != 5 })
		if ranks[0].Best < 0.97 || ranks[0].Lo != 1 || ranks[0].Hi > 2 || ranks[5] != (RankDoubt{}) {
			t.Errorf("the best: %+v; what does not count: %+v", ranks[0], ranks[5])
		}
		sum := 0.0
		for i, r := range ranks {
			sum += r.Best
			if i > 0 && i < 5 && (r.Lo > 3 || r.Hi != 5) {
				t.Errorf("one of four equals: %+v", r)
			}
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Errorf("the chances to be best sum to %g", sum)
		}
	}
	if j := joined(t, 6, 1, votes, nil, JointOptions{Quick: true}); j.Ranks(func(int) bool { return true }) != nil {
		t.Error("a quick fit has ranks")
	}
}

func BenchmarkJointRefit(b *testing.B) {
	rng := rand.New(rand.NewPCG(23, 7))
	sim := simulation{n: 2000, tie: -1, raters: []simRater{{4000, 1, 0}, {3000, 1.3, 0.05}, {3000, 0.7, 0}}}
	votes, _ := sim.draw(rng)
	j := joined(b, sim.n, 3, votes[:len(votes)-1], nil, JointOptions{Quick: true})
	b.ResetTimer()
	for range b.N {
		if _, err := j.Refit(context.Background(), sim.n, 3, votes, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// long asks for the simulations at full length.
func long() bool { return os.Getenv("ASSAY_TEST_LONG") != "" }
