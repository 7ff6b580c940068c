package rank

import (
	"errors"
	"math"
	"testing"

	"github.com/gen-emerge/assay"
)

func rated(t *testing.T, what string, got Rating, mean, sd, tol float64) {
	t.Helper()
	if math.Abs(got.Mean-mean) > tol || math.Abs(got.SD-sd) > tol {
		t.Errorf("%s: %.4f ± %.4f, want %.4f ± %.4f", what, got.Mean, got.SD, mean, sd)
	}
}

// Glickman's own example, whose answer he rounds to 1464 ± 151.4.
func TestGlicko(t *testing.T) {
	got, err := Glicko(Rating{1500, 200}, []GlickoGame{{Rating{1400, 30}, 1}, {Rating{1550, 100}, 0}, {Rating{1700, 300}, 0}})
	if err != nil {
		t.Fatal(err)
	}
	rated(t, "after three games", got, 1464.106, 151.399, 1e-3)
	if _, err := Glicko(Rating{1500, 0}, nil); !errors.Is(err, assay.ErrInvalid) {
		t.Error(err)
	}
	if _, err := Glicko(Rating{1500, 9}, []GlickoGame{{Rating{1, 1}, 2}}); !errors.Is(err, assay.ErrInvalid) {
		t.Error(err)
	}
}

// The values that sublee/trueskill prints.
func TestTrueSkill(t *testing.T) {
	a, b := Rating{25, 25.0 / 3}, Rating{25, 25.0 / 3}
	a, b, err := TrueSkill(a, b, TrueSkillOptions{})
	if err != nil {
		t.Fatal(err)
	}
	rated(t, "the winner", a, 29.396, 7.171, 5e-4)
	rated(t, "the loser", b, 20.604, 7.171, 5e-4)
	if b, a, err = TrueSkill(b, a, TrueSkillOptions{}); err != nil {
		t.Fatal(err)
	}
	rated(t, "who lost then", a, 23.357, 6.040, 5e-4)
	rated(t, "who won then", b, 26.643, 6.040, 5e-4)
	if _, _, err := TrueSkill(Rating{math.NaN(), 1}, b, TrueSkillOptions{}); !errors.Is(err, assay.ErrInvalid) {
		t.Error(err)
	}
}

// openskill's default model on four newcomers.
func TestWengLin(t *testing.T) {
	new := Rating{25, 25.0 / 3}
	got, err := WengLin([]Rating{new, new, new, new}, []int{4, 1, 3, 2}, TrueSkillOptions{Tau: -1})
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range []Rating{{20.963, 8.084}, {27.795, 8.263}, {24.689, 8.084}, {26.553, 8.179}} {
		rated(t, "player", got[k], want.Mean, want.SD, 5e-4)
	}
	if _, err := WengLin([]Rating{new}, []int{1}, TrueSkillOptions{}); !errors.Is(err, assay.ErrInvalid) {
		t.Error(err)
	}
}

// The cycle of TrueSkill Through Time's documentation: a beats b, b beats c, c
// beats a.
func TestThroughTime(t *testing.T) {
	games := []TimedGame{{0, 1, 0}, {1, 2, 1}, {2, 0, 2}}
	first, err := ThroughTime(t.Context(), 3, games, ThroughTimeOptions{Passes: -1})
	if err != nil {
		t.Fatal(err)
	}
	rated(t, "a after one game, forwards", first[0][0], 3.339, 4.985, 1e-3)
	rated(t, "a after its second, forwards", first[0][1], -2.688, 3.779, 1e-3)
	all, err := ThroughTime(t.Context(), 3, games, ThroughTimeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, chain := range all {
		for _, r := range chain {
			rated(t, "smoothed", r, 0, 2.395, 1e-3)
		}
	}
	if moving, err := ThroughTime(t.Context(), 3, games, ThroughTimeOptions{Gamma: 2}); err != nil || !(moving[0][0].Mean > 0.5 && moving[0][1].Mean < -0.5) {
		t.Errorf("skills that wander: %v, %v", moving, err)
	}
	if _, err := ThroughTime(t.Context(), 2, games, ThroughTimeOptions{}); !errors.Is(err, assay.ErrInvalid) {
		t.Error(err)
	}
}
