package rank

import (
	"math"
	"testing"

	"github.com/gen-emerge/assay"
)

// near fails t unless got is within tol of want, and says how far off it is.
func near(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if got == want {
		return
	}
	if d := math.Abs(got - want); !(d <= tol) { // written so that NaN fails
		t.Errorf("%s: got %.9g, want %.9g: off by %.2g, allowed %.2g", what, got, want, d, tol)
	}
}

// nearAll compares slices and reports the worst element.
func nearAll(t *testing.T, what string, got, want []float64, tol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	worst, at := 0.0, 0
	for i := range got {
		d := math.Abs(got[i] - want[i])
		if got[i] == want[i] {
			d = 0
		}
		if math.IsNaN(d) || d > worst {
			if worst, at = d, i; math.IsNaN(d) {
				break
			}
		}
	}
	if !(worst <= tol) {
		t.Errorf("%s: off by %.2g at %d of %d (got %g, want %g, allowed %.2g)", what, worst, at, len(got), got[at], want[at], tol)
	}
}

// times appends n equal votes.
func times(votes []Vote, n int, left, right int, o assay.Outcome) []Vote {
	for range n {
		votes = append(votes, Vote{Left: left, Right: right, Outcome: o})
	}
	return votes
}

// fit is Estimate for data that must be fit.
func fit(t *testing.T, n int, votes []Vote, opt Options) *Fit {
	t.Helper()
	f, err := Estimate(t.Context(), n, votes, opt)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// worths are exp(strength) scaled by the given mean of theirs.
func worths(f *Fit) []float64 {
	w, total := make([]float64, len(f.Strength)), 0.0
	for i, s := range f.Strength {
		w[i] = math.Exp(s)
		total += w[i]
	}
	for i := range w {
		w[i] /= total
	}
	return w
}

// TestWikipedia is the worked example of the article "Bradley–Terry model".
func TestWikipedia(t *testing.T) {
	var v []Vote
	for _, c := range [][3]int{{0, 1, 2}, {1, 0, 3}, {0, 3, 1}, {3, 0, 4}, {1, 2, 5}, {2, 1, 3}, {2, 3, 1}, {3, 2, 3}} {
		v = times(v, c[2], c[0], c[1], assay.Left)
	}
	f := fit(t, 4, v, Options{Prior: NoPrior})
	nearAll(t, "strength", f.Strength, []float64{-.446545, .042403, -.415803, .819946}, 1e-6)
	nearAll(t, "standard error", f.StdErr, []float64{.548, .482, .520, .621}, 6e-4)
	near(t, "log-likelihood", f.LogLik, -13.428450, 1e-6)
	p := []float64{}
	for _, s := range f.Strength {
		p = append(p, math.Exp(s))
	}
	nearAll(t, "published p", p, []float64{.640, 1.043, .660, 2.270}, 6e-4)
	if len(f.Warnings) != 0 || len(f.Components) != 1 {
		t.Errorf("warnings %v, components %v", f.Warnings, f.Components)
	}
}

// TestChoix holds the values documented and computed with the choix package.
func TestChoix(t *testing.T) {
	wins := func(pairs ...[2]int) (v []Vote) {
		for _, p := range pairs {
			v = times(v, 1, p[0], p[1], assay.Left)
		}
		return v
	}
	ml := Options{Prior: NoPrior}
	f := fit(t, 3, wins([2]int{0, 1}, [2]int{0, 1}, [2]int{1, 2}, [2]int{2, 0}), ml)
	nearAll(t, "three items", f.Strength, []float64{.419617624, -.419617624, 0}, 1e-8)
	f = fit(t, 3, wins([2]int{0, 1}, [2]int{1, 2}, [2]int{2, 0}), ml)
	nearAll(t, "cycle", f.Strength, []float64{0, 0, 0}, 1e-9)
	f = fit(t, 5, wins([2]int{1, 0}, [2]int{0, 4}, [2]int{3, 1}, [2]int{0, 2}, [2]int{2, 4}, [2]int{4, 3}), ml)
	nearAll(t, "notebook", f.Strength, []float64{.582814, .194271, 0, -.194271, -.582814}, 1e-6)
	win, tie, lose := f.Outcomes(1, 4)
	near(t, "P(1 beats 4)", win, .685051, 1e-6)
	near(t, "and the rest", tie+lose, 1-.685051, 1e-6)
	chain := wins([2]int{3, 2}, [2]int{2, 1}, [2]int{1, 0})
	for _, c := range []struct {
		alpha float64
		want  []float64
	}{{1, []float64{-.412413, -.058414, .058414, .412413}}, {.1, []float64{-1.959367, -.547481, .547481, 1.959367}}} {
		f = fit(t, 4, chain, Options{Prior: c.alpha})
		nearAll(t, "chain", f.Strength, c.want, 1e-6)
		if c.alpha == 1 {
			// The reference prints the error of a strength, prior mean included;
			// ours is against the average item, whose own variance is 1/(alpha·n).
			for i, want := range []float64{.912192, .844784, .844784, .912192} {
				near(t, "posterior sd", math.Sqrt(f.StdErr[i]*f.StdErr[i]+1./4), want, 1e-6)
			}
		}
	}
}

// logChoose is the logarithm of a binomial coefficient, which log-likelihoods of
// counts have and [Fit.LogLik] has not.
func logChoose(won, lost int) float64 {
	a, _ := math.Lgamma(float64(won + lost + 1))
	b, _ := math.Lgamma(float64(won + 1))
	c, _ := math.Lgamma(float64(lost + 1))
	return a - b - c
}

// TestStatisticsJournals is Stigler's citation data as refitted by Agresti
// (2002, p. 448) and BradleyTerry2.
func TestStatisticsJournals(t *testing.T) {
	cited := [4][4]int{{714, 730, 498, 221}, {33, 425, 68, 17}, {320, 813, 1072, 142}, {284, 276, 325, 188}}
	var v []Vote
	for i, row := range cited {
		for j, n := range row {
			if i != j {
				v = times(v, n, i, j, assay.Left)
			}
		}
	}
	f := fit(t, 4, v, Options{Prior: NoPrior, Reference: []int{0}})
	nearAll(t, "against Biometrika", f.Strength, []float64{0, -2.94907, -.47957, .26895}, 1e-5)
	nearAll(t, "standard errors", f.StdErr, []float64{0, .10255, .06059, .07083}, 1e-5)
	near(t, "deviance", f.Deviance, 4.2934, 1e-4)
	if f.DF != 3 {
		t.Errorf("%d degrees of freedom, want 3", f.DF)
	}
	near(t, "null deviance", f.Deviance+2*(f.LogLik-float64(len(v))*math.Log(.5)), 1925.2329, 1e-4)
	aic := -2*f.LogLik + 2*3
	for i := range cited {
		for j := range i {
			aic -= 2 * logChoose(cited[i][j], cited[j][i])
		}
	}
	near(t, "AIC", aic, 46.394, 1e-3)
	// The probability and the covariances below were printed for a fit stopped
	// early: .56725 is not the logistic of the published .26895, which is .56684.
	win, _, _ := f.Outcomes(3, 0)
	near(t, "P(JRSS-B beats Biometrika)", win, 1/(1+math.Exp(-.26895)), 1e-5)
	near(t, "P(JRSS-B beats Biometrika) as printed", win, .56725, 5e-4)
	f = fit(t, 4, v, Options{Prior: NoPrior})
	nearAll(t, "sum zero", f.Strength, []float64{.7899, -2.1592, .3104, 1.0589}, 1e-4)
	f = fit(t, 4, v, Options{Prior: NoPrior, Reference: []int{2}})
	for i, want := range map[int]float64{3: .005323938, 0: .003671841, 1: .009638953} {
		near(t, "variance against JASA", f.StdErr[i]*f.StdErr[i], want, 1e-3*want)
		near(t, "contrast", f.Var(i, 2), f.StdErr[i]*f.StdErr[i], 1e-15)
	}
}

// baseball is the American League East of 1987 (Agresti 2002, p. 438): wins of
// the row over the column; Baltimore, Boston, Cleveland, Detroit, Milwaukee, New
// York, Toronto.
func baseball() (v []Vote) {
	for i, row := range [7][7]int{
		{0, 1, 7, 4, 2, 3, 1}, {12, 0, 7, 2, 6, 7, 6}, {6, 6, 0, 4, 4, 6, 5}, {9, 11, 9, 0, 6, 5, 7},
		{11, 7, 9, 7, 0, 7, 9}, {10, 6, 7, 8, 6, 0, 6}, {12, 7, 8, 6, 4, 7, 0},
	} {
		for j, n := range row {
			v = times(v, n, i, j, assay.Left)
		}
	}
	return v
}

func TestBaseball(t *testing.T) {
	v := baseball()
	f := fit(t, 7, v, Options{Prior: NoPrior})
	nearAll(t, "sum zero", f.Strength, []float64{-1.0502, .0575, -.3663, .3862, .5312, .1974, .2443}, 1e-4)
	nearAll(t, "standard error", f.StdErr, []float64{.2325, .2009, .2050, .2042, .2074, .2016, .2021}, 1e-4)
	near(t, "log-likelihood", f.LogLik, -172.248176, 1e-6)
	// The printed shares are not the exponentials of the printed strengths to
	// the last digit: exp(-.3663) of their sum is .0892, not .088.
	nearAll(t, "worth share", worths(f), []float64{.044, .137, .088, .190, .220, .157, .164}, 1.5e-3)
	q, worst, err := f.QuasiVariances()
	if err != nil {
		t.Fatal(err)
	}
	se := make([]float64, len(q))
	for i := range q {
		se[i] = math.Sqrt(q[i])
	}
	nearAll(t, "quasi standard error", se, []float64{.2560, .2156, .2214, .2195, .2236, .2163, .2169}, 1e-4)
	if worst <= 0 || worst > .02 {
		t.Errorf("worst relative error of the quasi-variances is %g", worst)
	}
	base := fit(t, 7, v, Options{Prior: NoPrior, Reference: []int{0}})
	nearAll(t, "Baltimore at 0", base.Strength, []float64{0, 1.1077, .6839, 1.4364, 1.5814, 1.2476, 1.2945}, 1e-4)
	nearAll(t, "its errors", base.StdErr, []float64{0, .3339, .3319, .3396, .3433, .3359, .3367}, 1e-4)
	prior := fit(t, 7, v, Options{})
	nearAll(t, "MAP", prior.Strength, []float64{-.9875, .0530, -.3491, .3651, .5022, .1859, .2304}, 1e-4)
}

// TestBaseballSandwich takes every game for independent. The values to compare
// with were computed without the factor C/(C-1).
func TestBaseballSandwich(t *testing.T) {
	f := fit(t, 7, baseball(), Options{Prior: NoPrior})
	if f.Clusters != 273 {
		t.Fatalf("%d clusters, want one for each of 273 games", f.Clusters)
	}
	bare := make([]float64, 7)
	for i, se := range f.Sandwich {
		bare[i] = se / math.Sqrt(273./272)
	}
	nearAll(t, "sandwich", bare, []float64{.2284, .1938, .2140, .2077, .2076, .2058, .1951}, 1e-4)
}

// TestBaseballAtHome is the same season by ground: the home team's wins and
// losses against each visitor. The home team is on the left.
func TestBaseballAtHome(t *testing.T) {
	const bal, bos, cle, det, mil, ny, tor = 0, 1, 2, 3, 4, 5, 6
	var v []Vote
	games, coefficients := 0, 0.
	for home, row := range map[int][][3]int{
		mil: {{det, 4, 3}, {tor, 4, 2}, {ny, 4, 3}, {bos, 6, 1}, {cle, 4, 2}, {bal, 6, 0}},
		det: {{mil, 3, 3}, {tor, 4, 2}, {ny, 4, 3}, {bos, 6, 0}, {cle, 6, 1}, {bal, 4, 3}},
		tor: {{mil, 2, 5}, {det, 4, 3}, {ny, 2, 4}, {bos, 4, 3}, {cle, 4, 2}, {bal, 6, 0}},
		ny:  {{mil, 3, 3}, {det, 5, 1}, {tor, 2, 5}, {bos, 4, 3}, {cle, 4, 2}, {bal, 6, 1}},
		bos: {{mil, 5, 1}, {det, 2, 5}, {tor, 3, 3}, {ny, 4, 2}, {cle, 5, 2}, {bal, 6, 0}},
		cle: {{mil, 2, 5}, {det, 3, 3}, {tor, 3, 4}, {ny, 4, 3}, {bos, 4, 2}, {bal, 2, 4}},
		bal: {{mil, 2, 5}, {det, 1, 5}, {tor, 1, 6}, {ny, 2, 4}, {bos, 1, 6}, {cle, 3, 4}},
	} {
		for _, c := range row {
			v = times(v, c[1], home, c[0], assay.Left)
			v = times(v, c[2], home, c[0], assay.Right)
			games += c[1] + c[2]
			coefficients += logChoose(c[1], c[2])
		}
	}
	opt := Options{Prior: NoPrior, Reference: []int{bal}, Side: true}
	f := fit(t, 7, v, opt)
	nearAll(t, "strength", f.Strength, []float64{0, 1.1438, .7047, 1.4754, 1.6196, 1.2813, 1.3271}, 1e-4)
	near(t, "home effect", f.Side.Value, .3023, 1e-4)
	near(t, "its error", f.Side.StdErr, .1309, 1e-4)
	near(t, "deviance", f.Deviance, 38.643, 1e-3)
	if f.DF != 35 || games != 273 {
		t.Errorf("%d degrees of freedom and %d games, want 35 and 273", f.DF, games)
	}
	opt.Side = false
	none := fit(t, 7, v, opt)
	nearAll(t, "without home effect", none.Strength, []float64{0, 1.1077, .6839, 1.4364, 1.5814, 1.2476, 1.2945}, 1e-4)
	near(t, "drop of deviance", 2*(f.LogLik-none.LogLik), 5.4106, 1e-4)
	near(t, "log-likelihood without", none.LogLik+coefficients, -64.2593, 1e-4)
	near(t, "deviance without", f.Deviance+2*(f.LogLik-none.LogLik), 44.053, 1e-3)
}
