package rank

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/gen-emerge/assay"
)

// TestDerivatives compares gradient and curvature with central differences of
// the log-likelihood at random points, for every shape of the model.
func TestDerivatives(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, shape := range []struct{ tie, side bool }{{}, {tie: true}, {side: true}, {true, true}} {
		nu := 0.0
		if shape.tie {
			nu = .7
		}
		votes, _ := random(9, 60, nu, .4, 2)
		votes[3].Unordered, votes[8].Unordered, votes[5].Weight = true, true, 2.5
		r, err := newRows(9, votes, shape.side)
		if err != nil {
			t.Fatal(err)
		}
		s := newSystem(9, r, .8, nil, shape.tie, shape.side, 1)
		x := make([]float64, 9+s.extras())
		for i := range x {
			x[i] = rng.NormFloat64()
		}
		value := func(x []float64) float64 { return s.evaluate(x).loglik + s.penalty(x) }
		grad := func(x []float64) []float64 {
			g := make([]float64, len(x))
			s.gather(x, g, s.evaluate(x))
			return g
		}
		const h = 1e-5
		numeric, curve := make([]float64, len(x)), mat.NewDense(len(x), len(x), nil)
		for i := range x {
			up, down := slices.Clone(x), slices.Clone(x)
			up[i], down[i] = x[i]+h, x[i]-h
			numeric[i] = (value(up) - value(down)) / (2 * h)
			gu, gd := grad(up), grad(down)
			for j := range x {
				curve.Set(i, j, -(gu[j]-gd[j])/(2*h))
			}
		}
		nearAll(t, "gradient", grad(x), numeric, 1e-8)
		chol, err := s.dense()
		if err != nil {
			t.Fatal(err)
		}
		var exact mat.SymDense
		chol.ToSym(&exact)
		for i := range x {
			for j := range x {
				near(t, "curvature", exact.At(i, j), curve.At(i, j), 1e-7)
			}
		}
	}
}

// TestSolversAgree solves the same system by elimination and by conjugate
// gradients, with and without a prior, and with several components.
func TestSolversAgree(t *testing.T) {
	for _, opt := range []Options{{Side: true}, {Prior: NoPrior, Side: true}, {Prior: NoPrior, Ties: HalfTies}} {
		votes, _ := random(30, 700, .4, .3, 3)
		more, _ := random(20, 400, .4, .3, 4)
		for _, v := range more {
			v.Left, v.Right = v.Left+30, v.Right+30
			votes = append(votes, v)
		}
		for k := range votes {
			votes[k].Cluster = k % 37
		}
		a := fit(t, 50, votes, opt)
		local := opt
		local.Dense = 1
		b := fit(t, 50, votes, local)
		if a.Local || !b.Local {
			t.Fatal("Local says the wrong thing")
		}
		nearAll(t, "strength", b.Strength, a.Strength, 1e-9)
		for _, p := range [][2]int{{0, 1}, {3, 29}, {31, 40}} {
			near(t, "variance", b.Var(p[0], p[1]), a.Var(p[0], p[1]), 1e-8)
			near(t, "sandwich", b.SandwichVar(p[0], p[1]), a.SandwichVar(p[0], p[1]), 1e-8)
		}
		if a.Tie != nil {
			near(t, "log nu error", b.Tie.StdErr, a.Tie.StdErr, 1e-9)
		}
		if a.Side != nil {
			near(t, "side error", b.Side.StdErr, a.Side.StdErr, 1e-9)
		}
	}
}

// TestLocal compares local and exact errors where items have many opponents.
// Walks of length two bring them within half a percent; without these they are
// two percent low. At 400 items the variance of the mean itself, which the local
// sum holds in part, is still worth a quarter of a percent the other way.
func TestLocal(t *testing.T) {
	votes, _ := random(400, 6000, 0, 0, 5)
	exact := fit(t, 400, votes, Options{})
	local := fit(t, 400, votes, Options{Dense: 1})
	for i := range exact.StdErr {
		if r := local.StdErr[i] / exact.StdErr[i]; r > 1.005 || r < .995 {
			t.Errorf("item %d: local %g, exact %g", i, local.StdErr[i], exact.StdErr[i])
		}
		if r := local.Sandwich[i] / exact.Sandwich[i]; r > 1.1 || r < .9 {
			t.Errorf("item %d: local sandwich %g, exact %g", i, local.Sandwich[i], exact.Sandwich[i])
		}
	}
	if len(local.Warnings) != 1 {
		t.Errorf("warnings %v, want the one that the errors are local", local.Warnings)
	}
	if _, _, err := local.QuasiVariances(); !errors.Is(err, assay.ErrUnavailable) {
		t.Errorf("quasi-variances without covariance: %v", err)
	}
}

func TestInvariance(t *testing.T) {
	const n = 20
	votes, _ := random(n, 300, .5, .3, 6)
	for k := range votes {
		votes[k].Weight, votes[k].Cluster = []float64{.5, 1, 2}[k%3], k%11
	}
	rng := rand.New(rand.NewPCG(7, 7))
	opt := Options{Side: true}
	base := fit(t, n, votes, opt)

	shuffled := slices.Clone(votes)
	rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	f := fit(t, n, shuffled, opt)
	nearAll(t, "order of votes", f.Strength, base.Strength, 1e-10)
	nearAll(t, "order of votes, sandwich", f.Sandwich, base.Sandwich, 1e-10)

	name := rng.Perm(n)
	renamed := slices.Clone(votes)
	for k := range renamed {
		renamed[k].Left, renamed[k].Right = name[votes[k].Left], name[votes[k].Right]
	}
	f = fit(t, n, renamed, opt)
	for i := range n {
		near(t, "names, strength", f.Strength[name[i]], base.Strength[i], 1e-10)
		near(t, "names, error", f.StdErr[name[i]], base.StdErr[i], 1e-10)
		near(t, "names, sandwich", f.Sandwich[name[i]], base.Sandwich[i], 1e-10)
	}

	// Without a side effect the order shown does not matter.
	mirrored := slices.Clone(votes)
	for k, v := range votes {
		mirrored[k].Left, mirrored[k].Right = v.Right, v.Left
		switch v.Outcome {
		case assay.Left:
			mirrored[k].Outcome = assay.Right
		case assay.Right:
			mirrored[k].Outcome = assay.Left
		}
	}
	nearAll(t, "mirror", fit(t, n, mirrored, Options{}).Strength, fit(t, n, votes, Options{}).Strength, 1e-10)
	f = fit(t, n, mirrored, opt)
	nearAll(t, "mirror with side", f.Strength, base.Strength, 1e-9)
	near(t, "side changes sign", f.Side.Value, -base.Side.Value, 1e-9)
}

// TestWeightIsRepetition: a vote of weight 3 in a cluster is three votes of that
// cluster.
func TestWeightIsRepetition(t *testing.T) {
	votes, _ := random(8, 60, .5, 0, 8)
	var repeated []Vote
	for k := range votes {
		votes[k].Cluster = k + 1
		repeated = append(repeated, votes[k])
		if k%2 == 0 {
			repeated = append(repeated, votes[k], votes[k])
			votes[k].Weight = 3
		}
	}
	a, b := fit(t, 8, votes, Options{}), fit(t, 8, repeated, Options{})
	nearAll(t, "strength", a.Strength, b.Strength, 1e-10)
	nearAll(t, "error", a.StdErr, b.StdErr, 1e-10)
	nearAll(t, "sandwich", a.Sandwich, b.Sandwich, 1e-10)
	near(t, "log-likelihood", a.LogLik, b.LogLik, 1e-9)
	if len(a.Warnings) != 1 || len(b.Warnings) != 0 {
		t.Errorf("weights: %v; repetition: %v", a.Warnings, b.Warnings)
	}
}

// TestWorkersDoNotMatter wants the very same bits from one goroutine and many.
func TestWorkersDoNotMatter(t *testing.T) {
	votes, _ := random(20_000, 60_000, .3, .2, 9)
	one := fit(t, 20_000, votes, Options{Side: true, Workers: 1})
	for _, w := range []int{2, 5} {
		many := fit(t, 20_000, votes, Options{Side: true, Workers: w})
		if !slices.Equal(one.Strength, many.Strength) || !slices.Equal(one.StdErr, many.StdErr) || *one.Side != *many.Side {
			t.Errorf("%d goroutines gave other bits than one", w)
		}
	}
}

// TestZermelo checks that what is called the maximum is one, by Zermelo's
// iteration (Hunter 2004), which shares nothing with Newton's method.
func TestZermelo(t *testing.T) {
	votes, _ := random(12, 400, 0, 0, 10)
	f := fit(t, 12, votes, Options{Prior: NoPrior})
	var wins [12]float64
	var met [12][12]float64
	for _, v := range votes {
		a, b := v.Left, v.Right
		if v.Outcome == assay.Right {
			wins[b]++
		} else {
			wins[a]++
		}
		met[a][b]++
		met[b][a]++
	}
	p := slices.Repeat([]float64{1}, 12)
	for range 5000 {
		mean := 0.0
		for i := range p {
			d := 0.0
			for j := range p {
				if met[i][j] > 0 {
					d += met[i][j] / (p[i] + p[j])
				}
			}
			p[i] = wins[i] / d
			mean += math.Log(p[i]) / 12
		}
		for i := range p {
			p[i] /= math.Exp(mean)
		}
	}
	for i := range p {
		p[i] = math.Log(p[i])
	}
	nearAll(t, "strength", f.Strength, p, 1e-8)
}

// TestErrorsAreHonest draws many small tournaments from known strengths and
// compares the spread of the estimates with the errors claimed for them.
func TestErrorsAreHonest(t *testing.T) {
	const rounds, n = 400, 6
	var inside, robust int
	for seed := range uint64(rounds) {
		votes, theta := random(n, 300, .4, 0, 1000+seed)
		f := fit(t, n, votes, Options{Prior: 1e-6})
		d := f.Strength[0] - f.Strength[1] - (theta[0] - theta[1])
		if math.Abs(d) < 1.96*math.Sqrt(f.Var(0, 1)) {
			inside++
		}
		if math.Abs(d) < 1.96*math.Sqrt(f.SandwichVar(0, 1)) {
			robust++
		}
	}
	// Four standard errors of a share of .95 in 400 rounds are .044.
	near(t, "coverage", float64(inside)/rounds, .95, .044)
	near(t, "robust coverage", float64(robust)/rounds, .95, .044)
}

func TestEffectiveResistance(t *testing.T) {
	// Two items, k wins each: p = ½, so the variance of the difference is 4/(2k).
	f := fit(t, 2, times(times(nil, 8, 0, 1, assay.Left), 8, 1, 0, assay.Left), Options{Prior: NoPrior})
	near(t, "parallel", f.Var(0, 1), 4./16, 1e-12)
	// In series they add up: 0-1-2, equal strengths.
	v := times(times(nil, 8, 0, 1, assay.Left), 8, 1, 0, assay.Left)
	v = times(times(v, 4, 1, 2, assay.Left), 4, 2, 1, assay.Left)
	f = fit(t, 3, v, Options{Prior: NoPrior})
	near(t, "series", f.Var(0, 2), 4./16+4./8, 1e-12)
	// Three wins to one: Δ = ln 3 and V = 1/(4·¾·¼).
	g := fit(t, 2, times(times(nil, 3, 0, 1, assay.Left), 1, 1, 0, assay.Left), Options{Prior: NoPrior})
	near(t, "P(better)", g.ProbBetter(0, 1), .5*math.Erfc(-math.Log(3)/math.Sqrt(4./3)/math.Sqrt2), 1e-9)
	near(t, "P(better) of the other", g.ProbBetter(1, 0), 1-g.ProbBetter(0, 1), 1e-12)
	near(t, "P(win)", g.ProbWin(0, 1), 1/(1+math.Exp(-math.Log(3)/math.Sqrt(1+math.Pi/6))), 1e-9)
	near(t, "even odds", f.ProbBetter(0, 2), .5, 1e-12)
	near(t, "even prediction", f.ProbWin(0, 2), .5, 1e-12)
}

func TestEstimateRefusesAndStops(t *testing.T) {
	ok := Vote{Left: 0, Right: 1, Outcome: assay.Left}
	for name, c := range map[string]struct {
		n    int
		vote Vote
		opt  Options
	}{
		"no items":        {0, ok, Options{}},
		"out of range":    {2, Vote{Left: 0, Right: 2, Outcome: assay.Left}, Options{}},
		"negative":        {2, Vote{Left: -1, Right: 1, Outcome: assay.Left}, Options{}},
		"itself":          {2, Vote{Left: 1, Right: 1, Outcome: assay.Left}, Options{}},
		"both bad":        {2, Vote{Left: 0, Right: 1, Outcome: assay.BothBad}, Options{}},
		"no outcome":      {2, Vote{Left: 0, Right: 1}, Options{}},
		"negative weight": {2, Vote{Left: 0, Right: 1, Outcome: assay.Tie, Weight: -1}, Options{}},
		"NaN weight":      {2, Vote{Left: 0, Right: 1, Outcome: assay.Tie, Weight: math.NaN()}, Options{}},
		"NaN prior":       {2, ok, Options{Prior: math.NaN()}},
		"tie model":       {2, ok, Options{Ties: 2}},
		"tolerance":       {2, ok, Options{Tol: -1}},
		"reference":       {2, ok, Options{Reference: []int{2}}},
		"reference twice": {2, ok, Options{Reference: []int{1, 1}}},
	} {
		if _, err := Estimate(t.Context(), c.n, []Vote{c.vote}, c.opt); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: %v, want an error wrapping ErrInvalid", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Estimate(ctx, 2, []Vote{ok}, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	f := fit(t, 7, baseball(), Options{MaxIter: 1})
	if len(f.Warnings) != 1 {
		t.Errorf("one step: warnings %v", f.Warnings)
	}
}
