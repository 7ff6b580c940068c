package taste

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gen-emerge/assay"
)

// planted makes items with 20 coordinates of falling spread, and answers by
// somebody who sees only the second and the fifth, with the noise of the model.
func planted(seed uint64, items, answers int, ref, blind bool) Likenesses {
	rng := rand.New(rand.NewPCG(seed, 7))
	d := Likenesses{}
	for range items {
		v := make([]float32, 20)
		for k := range v {
			v[k] = float32(rng.NormFloat64() * math.Pow(0.8, float64(k)))
		}
		d.Vectors = append(d.Vectors, v)
	}
	apart := func(i, j int) (sum float64) {
		for _, k := range []int{1, 4} {
			x := float64(d.Vectors[i][k] - d.Vectors[j][k])
			sum += 12 * x * x
		}
		return sum
	}
	for len(d.Answers) < answers {
		i, j, k := rng.IntN(items), rng.IntN(items), rng.IntN(items)
		if i == j || i == k || j == k {
			continue
		}
		p := []float64{math.Exp(-apart(i, j)), math.Exp(-apart(i, k)), math.Exp(-apart(j, k))}
		if ref {
			p[2] = 0
		}
		if blind {
			p[0], p[1], p[2] = 1, 1, math.Ceil(p[2])
		}
		u := rng.Float64() * (p[0] + p[1] + p[2])
		a := Likeness{A: i, B: j, Odd: k, Ref: ref}
		if u > p[0]+p[1] {
			a = Likeness{A: j, B: k, Odd: i}
		} else if u > p[0] {
			a = Likeness{A: i, B: k, Odd: j, Ref: ref}
		}
		d.Answers = append(d.Answers, a)
	}
	return d
}

// TestAxesGradient holds the gradient against differences of the objective.
func TestAxesGradient(t *testing.T) {
	for _, ref := range []bool{true, false} {
		d := planted(3, 30, 40, ref, false)
		for _, rest := range []bool{true, false} {
			l, err := newLikening(d, AxesOptions{Components: 5}, rest)
			if err != nil {
				t.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(1, 1))
			x := make([]float64, 1+l.rows*5)
			for i := range x {
				x[i] = 0.3 * rng.NormFloat64()
			}
			asked, grad := l.askings(d.Answers), make([]float64, len(x))
			l.objective(x, asked, 30, grad)
			for i := range x {
				const h = 1e-5
				up, down := append([]float64(nil), x...), append([]float64(nil), x...)
				up[i] += h
				down[i] -= h
				want := (l.objective(up, asked, 30, nil) - l.objective(down, asked, 30, nil)) / (2 * h)
				if math.Abs(grad[i]-want) > 1e-4*(1+math.Abs(want)) {
					t.Errorf("ref %v, distance %v: derivative %d is %g, differences give %g", ref, rest, i, grad[i], want)
				}
			}
		}
	}
}

// TestAxesFindWhatIsSeen: 200 answers by somebody who looks at what the embedding
// holds for minor are enough for a map that is accepted, and foresees answers
// about new items better than the embedding does.
func TestAxesFindWhatIsSeen(t *testing.T) {
	for _, ref := range []bool{true, false} {
		d := planted(5, 120, 200, ref, false)
		m, trial, err := FitAxes(t.Context(), d, AxesOptions{Components: 6, Folds: 6, Untried: !ref})
		if err != nil {
			t.Fatal(err)
		}
		if ref && (!trial.Accepted || trial.New.Low <= trial.Old.Value) {
			t.Errorf("ref %v: want the map accepted, its interval above the embedding's share: %+v %+v %s", ref, trial.New, trial.Old, trial.Reason)
		}
		fresh := planted(6, 200, 2000, true, false)
		right, before := 0, 0
		l, err := newLikening(fresh, AxesOptions{Untried: true}, false)
		if err != nil {
			t.Fatal(err)
		}
		asked := l.askings(fresh.Answers)
		for k, a := range fresh.Answers {
			at := func(i int) []float64 {
				x, err := m.At(fresh.Vectors[i])
				if err != nil {
					t.Fatal(err)
				}
				return x
			}
			apart := func(i, j int) float64 {
				x, y := at(i), at(j)
				return math.Hypot(x[0]-y[0], x[1]-y[1])
			}
			right += first([3]float64{apart(a.A, a.B), apart(a.A, a.Odd)}, 2)
			before += l.foresawBefore(a, &asked[k])
		}
		t.Logf("ref %v: %s; new items %.3f against %.3f", ref, trial.Reason, float64(right)/2000, float64(before)/2000)
		if right < before+75 {
			t.Errorf("ref %v: %d of 2000 answers about new items, the embedding alone %d: want 75 more, three standard errors", ref, right, before)
		}
	}
}

// TestAxesRefuseNoise: answers by somebody who clicks blindly make no map that is
// accepted, however few they are, in any of 10 seeds.
func TestAxesRefuseNoise(t *testing.T) {
	for seed := range uint64(10) {
		_, trial, err := FitAxes(t.Context(), planted(seed, 60, 60, true, true), AxesOptions{Components: 6, Folds: 3})
		if err != nil {
			t.Fatal(err)
		}
		if trial.Accepted {
			t.Errorf("seed %d: a map of blind answers was accepted: %s", seed, trial.Reason)
		}
	}
}

// TestAxesAgainstOld: a map in force that sees what the person sees is not
// replaced, and one that sees nothing is, if enough answers came after it.
func TestAxesAgainstOld(t *testing.T) {
	d := planted(9, 120, 300, true, false)
	for k := range d.Answers {
		d.Answers[k].After = k >= 100
	}
	seeing, blind := make([][]float64, 120), make([][]float64, 120)
	for i, v := range d.Vectors {
		seeing[i], blind[i] = []float64{float64(v[1]), float64(v[4])}, []float64{float64(v[18]), float64(v[19])}
	}
	for old, want := range map[*[][]float64]bool{&seeing: false, &blind: true} {
		_, trial, err := FitAxes(t.Context(), d, AxesOptions{Old: *old, Components: 6, Folds: 3})
		if err != nil {
			t.Fatal(err)
		}
		if trial.Accepted != want || trial.N != 200 {
			t.Errorf("accepted %v on %d answers, want %v on the 200 after the old map: %s", trial.Accepted, trial.N, want, trial.Reason)
		}
	}
}

// TestDistanceStartsAtTheEmbedding: with a penalty that allows no departure, the
// distance is the embedding's own, stretched.
func TestDistanceStartsAtTheEmbedding(t *testing.T) {
	d := planted(2, 40, 1, true, false) // one answer: nothing can be held back
	dist, _, err := FitDistance(t.Context(), d, AxesOptions{Components: 4, Untried: true})
	if err != nil {
		t.Fatal(err)
	}
	plain := func(i, j int) (sum float64) {
		for k := range d.Vectors[i] {
			x := float64(d.Vectors[i][k] - d.Vectors[j][k])
			sum += x * x
		}
		return math.Sqrt(sum)
	}
	ratio := 0.0
	for i := 1; i < 40; i++ {
		got, err := dist.Between(d.Vectors[0], d.Vectors[i])
		if err != nil {
			t.Fatal(err)
		}
		if r := got / plain(0, i); ratio == 0 {
			ratio = r
		} else if math.Abs(r/ratio-1) > 1e-6 {
			t.Errorf("item %d: %g times the embedding's distance, of the first %g", i, r, ratio)
		}
	}
}

func TestAxesRefuseBadInput(t *testing.T) {
	good := planted(1, 10, 5, true, false)
	for name, spoil := range map[string]func(d *Likenesses, o *AxesOptions){
		"one axis":     func(d *Likenesses, o *AxesOptions) { o.Axes = 1 },
		"same item":    func(d *Likenesses, o *AxesOptions) { d.Answers = []Likeness{{A: 1, B: 1, Odd: 2}} },
		"no such item": func(d *Likenesses, o *AxesOptions) { d.Answers = []Likeness{{A: 1, B: 10, Odd: 2}} },
		"no direction": func(d *Likenesses, o *AxesOptions) { d.Unit, d.Vectors = true, make([][]float32, 11) },
	} {
		d, o := good, AxesOptions{}
		spoil(&d, &o)
		if _, _, err := FitAxes(t.Context(), d, o); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: %v, want an error wrapping ErrInvalid", name, err)
		}
	}
	good.Answers = nil
	if _, _, err := FitAxes(t.Context(), good, AxesOptions{}); !errors.Is(err, assay.ErrUnavailable) {
		t.Errorf("no answers: %v, want an error wrapping ErrUnavailable", err)
	}
}
