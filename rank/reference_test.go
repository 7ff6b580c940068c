package rank

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/gen-emerge/assay"
)

// A tournament is one case of testdata/tournaments.json, made by
// reference/rank_choix_evalica.py.
type tournament struct {
	N         int
	Votes     [][3]any // left, right, outcome
	Weights   []float64
	Clusters  []int
	Alpha     float64
	Strength  []float64
	SE        []float64
	Sandwich  []float64
	LogLik    float64
	Nu        float64
	Tie, Side []float64 // value and error
	WantSide  bool      `json:"want_side"`
}

func (c tournament) votes() []Vote {
	v := make([]Vote, len(c.Votes))
	for i, row := range c.Votes {
		o := map[string]assay.Outcome{"L": assay.Left, "R": assay.Right, "T": assay.Tie}[row[2].(string)]
		v[i] = Vote{Left: int(row[0].(float64)), Right: int(row[1].(float64)), Outcome: o}
		if c.Weights != nil {
			v[i].Weight, v[i].Cluster = c.Weights[i], c.Clusters[i]
		}
	}
	return v
}

func tournaments(t *testing.T, reference string) []tournament {
	t.Helper()
	data, err := os.ReadFile("testdata/tournaments.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string][]tournament
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	if len(all[reference]) < 3 {
		t.Fatalf("%d tournaments of %s", len(all[reference]), reference)
	}
	return all[reference]
}

// TestAgainstChoix compares posterior modes; choix stops where its Newton-CG
// does, which the tolerance allows for.
func TestAgainstChoix(t *testing.T) {
	for _, c := range tournaments(t, "choix") {
		f := fit(t, c.N, c.votes(), Options{Prior: c.Alpha})
		nearAll(t, "strength", f.Strength, c.Strength, 1e-6)
	}
}

// TestAgainstEvalica compares Newman's iteration for ties with Newton's method
// for Davidson's: the same maximum by another road.
func TestAgainstEvalica(t *testing.T) {
	for _, c := range tournaments(t, "evalica") {
		f := fit(t, c.N, c.votes(), Options{Prior: NoPrior})
		nearAll(t, "strength", f.Strength, c.Strength, 1e-6)
		near(t, "nu", math.Exp(f.Tie.Value), c.Nu, 1e-6)
	}
}

// TestAgainstSciPy compares all numbers of the full model with ones got from
// the likelihood alone by numerical differentiation, good to about 1e-7.
func TestAgainstSciPy(t *testing.T) {
	for _, c := range tournaments(t, "scipy") {
		for _, dense := range []int{0, 1} {
			f := fit(t, c.N, c.votes(), Options{Prior: c.Alpha, Side: c.WantSide, Dense: dense})
			nearAll(t, "strength", f.Strength, c.Strength, 1e-6)
			near(t, "log-likelihood", f.LogLik, c.LogLik, 1e-6)
			if (f.Tie != nil) != (c.Tie != nil) || (f.Side != nil) != (c.Side != nil) {
				t.Fatalf("tie %v against %v, side %v against %v", f.Tie, c.Tie, f.Side, c.Side)
			}
			if f.Tie != nil {
				nearAll(t, "log nu", []float64{f.Tie.Value, f.Tie.StdErr}, c.Tie, 1e-6)
			}
			if f.Side != nil {
				nearAll(t, "side", []float64{f.Side.Value, f.Side.StdErr}, c.Side, 1e-6)
			}
			if dense == 1 {
				continue // the errors are local approximations; see TestLocal
			}
			nearAll(t, "standard error", f.StdErr, c.SE, 1e-6)
			nearAll(t, "sandwich", f.Sandwich, c.Sandwich, 1e-6)
		}
	}
}
