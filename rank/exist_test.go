package rank

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gen-emerge/assay"
)

// reach is the transitive closure of "beat or tied", by brute force.
func reach(n int, votes []Vote) [][]bool {
	r := make([][]bool, n)
	for i := range r {
		r[i] = make([]bool, n)
		r[i][i] = true
	}
	for _, v := range votes {
		if v.Outcome != assay.Right {
			r[v.Left][v.Right] = true
		}
		if v.Outcome != assay.Left {
			r[v.Right][v.Left] = true
		}
	}
	for k := range n {
		for i := range n {
			for j := range n {
				r[i][j] = r[i][j] || r[i][k] && r[k][j]
			}
		}
	}
	return r
}

// TestComponentsByBruteForce compares both component searches with the closure
// of the graph, over random sparse data.
func TestComponentsByBruteForce(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 11))
	split := 0
	for range 3000 {
		n, m := 1+rng.IntN(9), rng.IntN(16)
		var votes, ties []Vote
		for range m {
			a, b := rng.IntN(n), rng.IntN(n)
			if a == b {
				continue
			}
			o := []assay.Outcome{assay.Left, assay.Right, assay.Left, assay.Right, assay.Tie}[rng.IntN(5)]
			votes = append(votes, Vote{Left: a, Right: b, Outcome: o})
			ties = append(ties, Vote{Left: a, Right: b, Outcome: assay.Tie})
		}
		r, err := newRows(n, votes, rng.IntN(2) == 0)
		if err != nil {
			t.Fatal(err)
		}
		beat, met := reach(n, votes), reach(n, ties)
		strong, weak := beatComponents(n, r), islands(n, r)
		for i := range n {
			for j := range n {
				if got, want := strong[i] == strong[j], beat[i][j] && beat[j][i]; got != want {
					t.Fatalf("%v: items %d and %d in one strong component: %v, want %v", votes, i, j, got, want)
				}
				if got, want := weak[i] == weak[j], met[i][j]; got != want {
					t.Fatalf("%v: items %d and %d in one island: %v, want %v", votes, i, j, got, want)
				}
			}
		}
		if len(members(strong)) > 1 {
			split++
		}
	}
	if split < 1000 {
		t.Errorf("only %d of the graphs had several components", split)
	}
}

// TestEveryDataSetGetsAnAnswer fits random tiny data in every mode: numbers are
// finite exactly where they should be, and warnings say where not.
func TestEveryDataSetGetsAnAnswer(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 12))
	for range 2000 {
		n := 1 + rng.IntN(6)
		var votes []Vote
		for range rng.IntN(10) {
			a, b := rng.IntN(n), rng.IntN(n)
			if a != b {
				o := []assay.Outcome{assay.Left, assay.Right, assay.Tie}[rng.IntN(3)]
				votes = append(votes, Vote{Left: a, Right: b, Outcome: o, Cluster: rng.IntN(3)})
			}
		}
		opt := Options{Side: rng.IntN(2) == 0, Ties: TieModel(rng.IntN(2)), Prior: []float64{0, .2, NoPrior}[rng.IntN(3)]}
		f := fit(t, n, votes, opt)
		for i := range n {
			alone := len(f.Components[f.Component[i]]) == 1 && n > 1 && opt.Prior == NoPrior
			finite := !math.IsNaN(f.Strength[i]) && !math.IsInf(f.Strength[i], 0)
			if finite == alone || math.IsInf(f.StdErr[i], 1) != alone || math.IsNaN(f.Sandwich[i]) {
				t.Fatalf("%+v of %v: item %d is %g ± %g (%g), alone: %v", opt, votes, i, f.Strength[i], f.StdErr[i], f.Sandwich[i], alone)
			}
			if alone && len(f.Warnings) == 0 {
				t.Fatalf("%+v of %v: no warning", opt, votes)
			}
		}
		if opt.Side && (f.Side == nil || math.IsInf(f.Side.StdErr, 1) && len(f.Warnings) == 0) {
			t.Fatalf("%+v of %v: side effect %v, warnings %v", opt, votes, f.Side, f.Warnings)
		}
		if f.Side != nil && math.IsInf(f.Side.Value, 0) != math.IsInf(f.Side.StdErr, 1) && !math.IsNaN(f.Side.Value) {
			t.Fatalf("side effect %v", f.Side)
		}
	}
}

// TestRunaways holds data whose extra parameters have no finite estimate.
func TestRunaways(t *testing.T) {
	inf := math.Inf(1)
	one := func(outcomes ...assay.Outcome) (v []Vote) {
		for _, o := range outcomes {
			v = append(v, Vote{Left: 0, Right: 1, Outcome: o})
		}
		return v
	}
	half := math.Log(3) // ½ and 1 against ½: odds of 3 to 1 without a prior
	f := fit(t, 2, one(assay.Left, assay.Tie), Options{Prior: NoPrior})
	if f.Tie == nil || f.Tie.Value != inf || len(f.Warnings) == 0 {
		t.Errorf("a win and a tie: %v, warnings %v", f.Tie, f.Warnings)
	}
	near(t, "then the tie is half a win", f.Strength[0]-f.Strength[1], half, 1e-8)
	f = fit(t, 2, one(assay.Tie, assay.Tie), Options{})
	if f.Tie == nil || f.Tie.Value != inf || f.Strength[0] != 0 || len(f.Warnings) == 0 {
		t.Errorf("ties only: %v, %v, warnings %v", f.Tie, f.Strength, f.Warnings)
	}
	f = fit(t, 2, one(assay.Left, assay.Left), Options{Side: true})
	if f.Side == nil || f.Side.Value != inf || len(f.Warnings) == 0 {
		t.Errorf("the left always won: %v, warnings %v", f.Side, f.Warnings)
	}
	// The left won both ways round: strongly connected, yet the side effect runs.
	both := []Vote{{Left: 0, Right: 1, Outcome: assay.Left}, {Left: 1, Right: 0, Outcome: assay.Left}}
	f = fit(t, 2, both, Options{Side: true, Prior: NoPrior})
	if f.Side.Value != inf || f.Strength[0] != 0 {
		t.Errorf("the left won both ways round: %v, %v", f.Side, f.Strength)
	}
	// Here both sides won, but all wins of the right agree with item 0 being best.
	both = append(both, Vote{Left: 1, Right: 2, Outcome: assay.Left}, Vote{Left: 2, Right: 1, Outcome: assay.Left},
		Vote{Left: 2, Right: 0, Outcome: assay.Right})
	f = fit(t, 3, both, Options{Side: true, Prior: NoPrior})
	if f.Side.Value != inf || len(f.Warnings) == 0 {
		t.Errorf("separated by side: %v, warnings %v", f.Side, f.Warnings)
	}
}

func TestReferenceBar(t *testing.T) {
	votes, _ := random(6, 80, .3, 0, 13)
	free := fit(t, 6, votes, Options{})
	bar := fit(t, 6, votes, Options{Reference: []int{5}})
	two := fit(t, 6, votes, Options{Reference: []int{1, 2}})
	for i := range 6 {
		near(t, "against the bar", bar.Strength[i], free.Strength[i]-free.Strength[5], 1e-12)
		near(t, "its error", bar.StdErr[i]*bar.StdErr[i], free.Var(i, 5), 1e-12)
		near(t, "its sandwich", bar.Sandwich[i]*bar.Sandwich[i], free.SandwichVar(i, 5), 1e-12)
	}
	near(t, "mean of the reference", two.Strength[1]+two.Strength[2], 0, 1e-12)
	// A reference keeps old strengths where they are when items are added.
	more := fit(t, 8, votes, Options{Reference: []int{5}})
	nearAll(t, "two items added", more.Strength[:6], bar.Strength, 1e-9)
	near(t, "an item without votes has the prior's error", more.Var(6, 7), 2, 1e-9)
	near(t, "and robustly so", more.SandwichVar(6, 7), 2, 1e-9)
	if len(more.Warnings) != 1 {
		t.Errorf("warnings %v: want one of the parts that never met", more.Warnings)
	}
	apart := fit(t, 8, votes, Options{Reference: []int{5}, Prior: NoPrior})
	if len(apart.Warnings) != 4 || !math.IsNaN(apart.Strength[6]) {
		t.Errorf("warnings %v, strengths %v", apart.Warnings, apart.Strength)
	}
}

func TestOneClusterIsPooled(t *testing.T) {
	v := baseball()
	apart := fit(t, 7, v, Options{})
	for k := range v {
		v[k].Cluster = 4
	}
	f := fit(t, 7, v, Options{})
	nearAll(t, "sandwich", f.Sandwich, apart.Sandwich, 1e-12)
	if len(f.Warnings) != 1 || f.Clusters != 273 {
		t.Errorf("%d clusters, warnings %v", f.Clusters, f.Warnings)
	}
}
