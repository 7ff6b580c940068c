package taste

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gen-emerge/assay"
)

// A world is made-up images and people with known tastes.
type world struct {
	rng   *rand.Rand
	items []Item
	x     [][]float64 // what tastes are made of
}

const (
	worldDim   = 48 // coordinates of an embedding
	worldTrue  = 6  // directions that tastes can care for
	worldReads = 8
)

// newWorld draws n images whose embeddings have a few strong directions among
// many weak ones, and readings of which two follow these.
func newWorld(seed uint64, n int) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 11))}
	for i := range n {
		x := make([]float64, worldTrue)
		for k := range x {
			x[k] = w.rng.NormFloat64() / math.Sqrt(worldTrue)
		}
		it := Item{Group: i, Vector: make([]float32, worldDim), Readings: make([]float64, worldReads)}
		for k := range it.Vector {
			it.Vector[k] = float32(0.1 * w.rng.NormFloat64())
			if k < worldTrue {
				it.Vector[k] += float32(x[k])
			}
		}
		for k := range it.Readings {
			it.Readings[k] = 50 + 10*w.rng.NormFloat64()
			if k < 2 {
				it.Readings[k] = 50 + 30*x[k] + 3*w.rng.NormFloat64()
			}
		}
		w.items, w.x = append(w.items, it), append(w.x, x)
	}
	return w
}

// taste draws a taste with the given standard deviation of log-odds.
func (w *world) taste(sd float64) []float64 {
	b := make([]float64, worldTrue)
	for k := range b {
		b[k] = sd * w.rng.NormFloat64()
	}
	return b
}

// votes has a person with this taste decide n pairs, five a round; nu is how
// often they call ties.
func (w *world) votes(beta []float64, rater, n int, nu float64) []Vote {
	var out []Vote
	for k := range n {
		i, j := w.rng.IntN(len(w.items)), w.rng.IntN(len(w.items)-1)
		if j >= i {
			j++
		}
		d := dot(w.x[i], beta) - dot(w.x[j], beta)
		l, r := math.Exp(d/2), math.Exp(-d/2)
		v := Vote{Left: i, Right: j, Outcome: assay.Tie, Rater: rater, Cluster: rater*10000 + k/5}
		switch u := w.rng.Float64() * (l + r + nu); {
		case u < l:
			v.Outcome = assay.Left
		case u < l+r:
			v.Outcome = assay.Right
		}
		out = append(out, v)
	}
	return out
}

func sum(x, y []float64) []float64 {
	out := make([]float64, len(x))
	for k := range x {
		out[k] = x[k] + y[k]
	}
	return out
}

func TestSimExplore(t *testing.T) {
	for _, n := range []int{100, 200} {
		for _, sd := range []float64{0, 1.5} {
			accepted, gainSum, accSum := 0, 0.0, 0.0
			const reps = 40
			for seed := range uint64(reps) {
				w := newWorld(seed, 120)
				d := Data{Items: w.items, Votes: w.votes(w.taste(sd), 0, n, 0.3)}
				r, err := Learn(context.Background(), d, 0, Options{})
				if err != nil {
					t.Fatal(err)
				}
				if r.Check.Accepted {
					accepted++
				}
				gainSum += r.Check.BeatsCoin.Mean / reps
				accSum += r.Check.Accuracy.Value / reps
			}
			t.Logf("n %d sd %g: accepted %d/%d gain %.3f acc %.3f", n, sd, accepted, reps, gainSum, accSum)
		}
	}
}

func TestSlopeExplore(t *testing.T) {
	for _, n := range []int{15, 30, 100} {
		for _, truth := range []float64{0, 0.5, 1} {
			cover, decided, reps := 0, 0, 2000
			rng := rand.New(rand.NewPCG(3, uint64(n)))
			for range reps {
				var x []difference
				for k := range n {
					d := rng.NormFloat64() * math.Sqrt2
					if rng.Float64() > 1/(1+math.Exp(-truth*d)) {
						d = -d
					}
					x = append(x, difference{d, k / 5})
				}
				s := slopeOf(x)
				if s.low() <= truth && truth <= s.high() {
					cover++
				}
				if s.p < 0.05 {
					decided++
				}
			}
			t.Logf("n %d truth %g: cover %.3f decided %.3f", n, truth, float64(cover)/float64(reps), float64(decided)/float64(reps))
		}
	}
}
