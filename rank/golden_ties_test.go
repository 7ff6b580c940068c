package rank

import (
	"math"
	"testing"

	"github.com/gen-emerge/assay"
)

// puddings is Davidson's (1970) data: six brands of chocolate pudding; pair,
// wins of the first, wins of the second, ties.
func puddings() (v []Vote) {
	for _, c := range [][5]int{
		{1, 2, 19, 22, 16}, {1, 3, 16, 19, 12}, {2, 3, 19, 19, 10}, {1, 4, 18, 23, 13}, {2, 4, 23, 19, 9},
		{3, 4, 19, 20, 15}, {1, 5, 13, 19, 18}, {2, 5, 16, 20, 12}, {3, 5, 16, 15, 17}, {4, 5, 17, 14, 16},
		{1, 6, 18, 21, 12}, {2, 6, 22, 20, 12}, {3, 6, 13, 18, 10}, {4, 6, 14, 19, 18}, {5, 6, 11, 21, 12},
	} {
		v = times(v, c[2], c[0]-1, c[1]-1, assay.Left)
		v = times(v, c[3], c[0]-1, c[1]-1, assay.Right)
		v = times(v, c[4], c[0]-1, c[1]-1, assay.Tie)
	}
	return v
}

func TestPuddings(t *testing.T) {
	f := fit(t, 6, puddings(), Options{Prior: NoPrior, Reference: []int{0}})
	nearAll(t, "worths", worths(f), []float64{.13880338, .17300150, .16174743, .16537296, .15868539, .20238934}, 1e-8)
	nearAll(t, "worths printed in 1970", worths(f), []float64{.1388005, .1729985, .1617420, .1653930, .1586805, .2023855}, 1e-4)
	near(t, "nu", math.Exp(f.Tie.Value), .746823, 1e-6)
	near(t, "nu printed in 1970", math.Exp(f.Tie.Value), .7468147, 1e-4)
	near(t, "log nu", f.Tie.Value, -.29193, 1e-5)
	near(t, "its error", f.Tie.StdErr, .08250, 1e-5)
	near(t, "log-likelihood", f.LogLik, -809.7095, 1e-4)
	near(t, "deviance", f.Deviance, 15.770, 1e-3)
	if f.DF != 24 {
		t.Errorf("%d degrees of freedom, want 24", f.DF)
	}
	nearAll(t, "log-worth", f.Strength, []float64{0, .22024, .15298, .17514, .13387, .37713}, 1e-5)
	nearAll(t, "its errors", f.StdErr, []float64{0, .18722, .19352, .18821, .19270, .19241}, 1e-5)
}

// TestFood is the food data of the evalica package.
func TestFood(t *testing.T) {
	short := map[string]int{"Ta": 0, "Su": 1, "Bu": 2, "Pa": 3, "Pi": 4}
	var v []Vote
	for _, c := range []string{
		"PiSuL", "BuPaR", "TaPiL", "SuTaR", "BuPiL", "PaSuR", "TaBuL", "PiPaT", "SuBuR", "PaTaL",
		"BuSuR", "TaPiL", "SuPaT", "BuTaL", "PiBuR", "PaTaR", "BuSuR", "TaPaL", "PiTaR", "SuBuL",
		"PaPiR", "BuSuR", "TaPaL", "PiSuL", "SuBuR", "PaTaR", "TaPiL", "BuPaR", "SuTaL", "PiBuR",
	} {
		o := map[byte]assay.Outcome{'L': assay.Left, 'R': assay.Right, 'T': assay.Tie}[c[4]]
		v = times(v, 1, short[c[:2]], short[c[2:4]], o)
	}
	exp := func(f *Fit) []float64 {
		e := make([]float64, len(f.Strength))
		for i, s := range f.Strength {
			e[i] = math.Exp(s)
		}
		return e
	}
	f := fit(t, 5, v, Options{Prior: NoPrior, Ties: HalfTies})
	nearAll(t, "ties as half a win", exp(f), []float64{2.509025, 1.101156, .854906, .740381, .571837}, 1e-6)
	if f.Tie != nil {
		t.Errorf("half ties came with a tie parameter %v", *f.Tie)
	}
	f = fit(t, 5, v, Options{Prior: NoPrior})
	nearAll(t, "Davidson", exp(f), []float64{2.71041, 1.109123, .843730, .722197, .545916}, 1e-5)
	near(t, "nu", math.Exp(f.Tie.Value), .157284, 1e-6)
	near(t, "log-likelihood", f.LogLik, -24.26366, 1e-5)
}

// TestComponents is the toy data of BradleyTerryScalable: disconnected, with
// draws taken for half a win of each.
func TestComponents(t *testing.T) {
	const amy, ben, cyd, dan, eve, fin, gal, han = 0, 1, 2, 3, 4, 5, 6, 7
	var v []Vote
	for _, c := range []struct {
		a, b int
		o    assay.Outcome
	}{
		{cyd, amy, assay.Left}, {amy, ben, assay.Tie}, {ben, eve, assay.Right}, {cyd, dan, assay.Right}, {ben, dan, assay.Tie},
		{dan, eve, assay.Right}, {fin, eve, assay.Right}, {fin, gal, assay.Right}, {fin, han, assay.Right}, {eve, gal, assay.Left},
		{fin, gal, assay.Tie}, {han, gal, assay.Left}, {han, gal, assay.Right}, {amy, dan, assay.Left}, {cyd, amy, assay.Left},
		{ben, dan, assay.Tie}, {dan, amy, assay.Right},
	} {
		v = times(v, 1, c.a, c.b, c.o)
	}
	f := fit(t, 8, v, Options{Prior: NoPrior, Ties: HalfTies})
	if got := len(f.Components); got != 3 {
		t.Fatalf("%d components %v, want 3", got, f.Components)
	}
	nearAll(t, "Han, Gal, Fin", []float64{f.Strength[han], f.Strength[gal], f.Strength[fin]}, []float64{.6965, .4121, -1.1085}, 1e-4)
	nearAll(t, "their errors", []float64{f.StdErr[han], f.StdErr[gal], f.StdErr[fin]}, []float64{.911, .768, 1.050}, 6e-4)
	nearAll(t, "Cyd, Amy, Ben, Dan", []float64{f.Strength[cyd], f.Strength[amy], f.Strength[ben], f.Strength[dan]},
		[]float64{.5942, .0328, -.2445, -.3825}, 1e-4)
	nearAll(t, "their errors", []float64{f.StdErr[cyd], f.StdErr[amy], f.StdErr[ben], f.StdErr[dan]}, []float64{.991, .699, .944, .713}, 6e-4)
	if !math.IsInf(f.StdErr[eve], 1) || !math.IsInf(f.Strength[eve], 1) {
		t.Errorf("Eve, who only won: %g ± %g", f.Strength[eve], f.StdErr[eve])
	}
	if p := f.ProbBetter(han, cyd); !math.IsNaN(p) {
		t.Errorf("Han and Cyd are of different components, yet P = %g", p)
	}
	if !math.IsInf(f.Var(han, cyd), 1) || !math.IsInf(f.SandwichVar(han, cyd), 1) || math.IsInf(f.Var(han, gal), 1) {
		t.Error("variance between components must be infinite, and only there")
	}
	if len(f.Warnings) != 2 {
		t.Errorf("warnings %v: want one of Eve and one of the components", f.Warnings)
	}
}

// TestTennis holds Agresti's (2019) men and (2003, p. 449) women.
func TestTennis(t *testing.T) {
	data := func(rows [][4]int) (v []Vote) {
		for _, c := range rows {
			v = times(v, c[2], c[0], c[1], assay.Left)
			v = times(v, c[3], c[0], c[1], assay.Right)
		}
		return v
	}
	men := data([][4]int{ // Djokovic, Federer, Murray, Nadal, Wawrinka
		{0, 1, 9, 6}, {0, 2, 14, 3}, {0, 3, 9, 2}, {0, 4, 4, 3}, {1, 2, 5, 0}, {1, 3, 5, 1}, {1, 4, 7, 2},
		{2, 3, 2, 4}, {2, 4, 2, 2}, {3, 4, 4, 3},
	})
	f := fit(t, 5, men, Options{Prior: NoPrior, Reference: []int{4}})
	nearAll(t, "men", f.Strength, []float64{1.1761, 1.1358, -.5685, -.0619, 0}, 1e-4)
	nearAll(t, "their errors", f.StdErr, []float64{.4995, .5109, .5683, .5149, 0}, 1e-4)
	women := data([][4]int{ // Graf, Navratilova, Sabatini, Sanchez, Seles
		{0, 1, 3, 0}, {0, 2, 6, 3}, {0, 3, 7, 1}, {0, 4, 3, 2}, {1, 2, 2, 1}, {1, 3, 3, 1}, {1, 4, 3, 3},
		{2, 3, 3, 2}, {2, 4, 0, 1}, {3, 4, 0, 2},
	})
	f = fit(t, 5, women, Options{Prior: NoPrior, Reference: []int{0}})
	nearAll(t, "women", f.Strength, []float64{0, -.8453, -1.2019, -1.9328, -.3996}, 1e-4)
	nearAll(t, "their errors", f.StdErr, []float64{0, .6725, .6087, .6784, .6689}, 1e-4)
}

// TestTaste is David's (1988) data: rows beat columns.
func TestTaste(t *testing.T) {
	var v []Vote
	for i, row := range [4][4]int{{0, 3, 2, 2}, {12, 0, 11, 3}, {13, 4, 0, 5}, {13, 12, 10, 0}} {
		for j, n := range row {
			v = times(v, n, i, j, assay.Left)
		}
	}
	f := fit(t, 4, v, Options{Prior: NoPrior, Reference: []int{0}})
	nearAll(t, "strength", f.Strength, []float64{0, 1.6130, 1.3010, 2.3571}, 1e-4)
	nearAll(t, "errors", f.StdErr, []float64{0, .4730, .4615, .5123}, 1e-4)
	near(t, "deviance", f.Deviance, 4.2399, 1e-4)
}
