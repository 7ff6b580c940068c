package taste

import (
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
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

// slow skips a simulation, which has one goroutine and much arithmetic, under the
// race detector.
func slow(t *testing.T) {
	t.Helper()
	if raceEnabled {
		t.Skip("arithmetic alone: nothing to see for the race detector")
	}
}

// some is how many repetitions a simulation makes: few, unless ASSAY_TEST_LONG asks
// for the figures that are quoted.
func some(few, many int) int {
	if os.Getenv("ASSAY_TEST_LONG") != "" {
		return many
	}
	return few
}

// trials learns the taste of somebody who is alone, some times, and counts how
// often the reward was accepted.
func trials(t *testing.T, times, judgments int, sd float64) (accepted int, gain, accuracy float64) {
	t.Helper()
	for seed := range times {
		w := newWorld(uint64(seed), 120)
		d := Data{Items: w.items, Votes: w.votes(w.taste(sd), 0, judgments, 0.3)}
		r, err := Learn(t.Context(), d, 0, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Check.Accepted {
			accepted++
		}
		gain += r.Check.BeatsCoin.Mean / float64(times)
		accuracy += r.Check.Accuracy.Value / float64(times)
	}
	return accepted, gain, accuracy
}

// A taste is found from some hundred judgments, and who clicks at random is
// refused: by an interval of 95 %, one in forty may pass. Counted over 100 of each with
// ASSAY_TEST_LONG=1.
func TestTrialTellsTasteFromChance(t *testing.T) {
	slow(t)
	for _, c := range []struct {
		judgments int
		sd        float64
		least     float64 // share that is accepted
		most      float64
	}{{50, 0, 0, 0.05}, {100, 0, 0, 0.05}, {200, 0, 0, 0.05}, {50, 1.5, 0.1, 1}, {100, 1.5, 0.4, 1}, {200, 1.5, 0.8, 1}} {
		times := some(2, 100)
		if times < 50 && c.judgments != 100 {
			continue
		}
		accepted, gain, accuracy := trials(t, times, c.judgments, c.sd)
		share := float64(accepted) / float64(times)
		t.Logf("%d judgments, tastes of %g logits: accepted %d of %d, %.3f nats saved, accuracy %.3f", c.judgments, c.sd, accepted, times, gain, accuracy)
		if times < 50 && (c.sd == 0 && accepted > 0 || c.sd > 0 && accepted == 0) ||
			times >= 50 && (share < c.least || share > c.most) {
			t.Errorf("%d judgments, tastes of %g logits: accepted %d of %d", c.judgments, c.sd, accepted, times)
		}
	}
}

// A trial knows nothing of the pairs that it predicts: to shuffle what was said of
// them must leave it at a coin, though what is learned from all fits all.
func TestTrialIsBlind(t *testing.T) {
	w := newWorld(5, 40)
	d := Data{Items: w.items, Votes: w.votes(w.taste(3), 0, 100, 0)}
	rng := rand.New(rand.NewPCG(9, 9))
	for k := range d.Votes {
		if rng.IntN(2) == 0 {
			d.Votes[k].Left, d.Votes[k].Right = d.Votes[k].Right, d.Votes[k].Left
		}
	}
	r, err := Learn(t.Context(), d, 0, Options{Folds: 4, Components: 4})
	if err != nil {
		t.Fatal(err)
	}
	if r.Check.Accepted || r.Check.Accuracy.Low > 0.5 {
		t.Errorf("what says nothing was foreseen: %+v", r.Check)
	}
	right := 0
	for _, v := range d.Votes {
		a, _ := r.Item(v.Left)
		b, _ := r.Item(v.Right)
		if (a > b) == (v.Outcome == assay.Left) {
			right++
		}
	}
	if right < 60 {
		t.Errorf("what was learned from has %d of 100 right: the test tests nothing", right)
	}
}

// Others help as far as they are alike: a person of few judgments among many who
// want the same is foreseen better than alone; among those who want the opposite
// the personal model beats theirs.
func TestOthers(t *testing.T) {
	slow(t)
	w := newWorld(3, 50)
	common := w.taste(1.5)
	opposite := make([]float64, len(common))
	for k, v := range common {
		opposite[k] = -v
	}
	var others []Vote
	for r := 1; r <= 3; r++ {
		others = append(others, w.votes(common, r, 60, 0.3)...)
	}
	like := w.votes(common, 0, 40, 0.3)
	alone, err := Learn(t.Context(), Data{Items: w.items, Votes: like}, 0, Options{})
	if err != nil {
		t.Fatal(err)
	}
	among, err := Learn(t.Context(), Data{Items: w.items, Votes: slices.Concat(like, others)}, 0, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if *among.Check.LogLoss >= *alone.Check.LogLoss || alone.Check.Population != nil || alone.Departure != 0 {
		t.Errorf("alone %.3f nats, among others %.3f", *alone.Check.LogLoss, *among.Check.LogLoss)
	}
	odd, err := Learn(t.Context(), Data{Items: w.items, Votes: slices.Concat(w.votes(opposite, 0, 60, 0.3), others)}, 0, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if c := odd.Check; *c.Population < math.Ln2 || c.BeatsPopulation.Mean < 0.1 || odd.Departure <= among.Departure {
		t.Errorf("an opposite taste: %+v, departure %.2f against %.2f", c, odd.Departure, among.Departure)
	}
}

// The posterior covers what is true: 95 % intervals of what images are worth,
// judged and not. Over 60 worlds (ASSAY_TEST_LONG=1).
func TestRewardCovers(t *testing.T) {
	slow(t)
	inside, all := 0, 0
	for seed := range some(6, 60) {
		w := newWorld(uint64(100+seed), 120)
		beta := w.taste(1.5)
		d := Data{Items: w.items, Votes: w.votes(beta, 0, 150, 0.3)}
		r, err := Learn(t.Context(), d, 0, Options{Untried: true})
		if err != nil {
			t.Fatal(err)
		}
		mean, judged := 0.0, itemsOf(d.Votes)
		for _, i := range judged {
			mean += dot(w.x[i], beta) / float64(len(judged))
		}
		for i := range w.items {
			worth, se := r.Item(i)
			if math.Abs(worth-(dot(w.x[i], beta)-mean)) < 1.96*se {
				inside++
			}
			all++
		}
	}
	share := float64(inside) / float64(all)
	t.Logf("%.3f of %d intervals cover", share, all)
	if share < 0.9 || share > 0.995 {
		t.Errorf("%.3f of the 95 %% intervals cover", share)
	}
}

// A direction's 95 % interval covers, and its test at 5 % is wrong in about 5 %,
// with few rounds and with many.
func TestSlopeCovers(t *testing.T) {
	slow(t)
	const times = 2000
	for _, n := range []int{15, 30, 100, 200} {
		for _, truth := range []float64{0, 0.5, 1} {
			cover, told := 0, 0
			rng := rand.New(rand.NewPCG(3, uint64(n)))
			for range times {
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
					told++
				}
			}
			t.Logf("%d pairs, effect %g: %.3f cover, %.3f told from 0", n, truth, float64(cover)/times, float64(told)/times)
			if cover < 0.93*times {
				t.Errorf("%d pairs, effect %g: %d of %d intervals cover", n, truth, cover, times)
			}
			if truth == 0 && told > 0.075*times || truth == 1 && n >= 100 && told < 0.95*times {
				t.Errorf("%d pairs, effect %g: %d of %d told from 0", n, truth, told, times)
			}
		}
	}
}

// Votes of a round that are all alike count as one: intervals that took them for
// independent would not cover.
func TestSlopeMindsRounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	const times = 1000
	wrong := 0
	for range times {
		var x []difference
		for k := range 30 {
			d := rng.NormFloat64()
			for range 5 { // the same mood five times
				x = append(x, difference{d, k})
			}
		}
		if slopeOf(x).p < 0.05 {
			wrong++
		}
	}
	if wrong > 0.08*times {
		t.Errorf("%d of %d tell what is not there", wrong, times)
	}
}

func TestBadData(t *testing.T) {
	w := newWorld(1, 5)
	vote := Vote{Left: 0, Right: 1, Outcome: assay.Left}
	nan := slices.Clone(w.items)
	nan[2].Vector = slices.Clone(nan[2].Vector)
	nan[2].Vector[3] = float32(math.NaN())
	short := slices.Clone(w.items)
	short[4].Readings = short[4].Readings[:2]
	for _, c := range []struct {
		why   string
		d     Data
		opt   Options
		rater int
		want  error
	}{
		{"no items", Data{}, Options{}, 0, assay.ErrInvalid},
		{"coordinate 3", Data{nan, []Vote{vote}}, Options{}, 0, assay.ErrInvalid},
		{"2 readings", Data{short, []Vote{vote}}, Options{}, 0, assay.ErrInvalid},
		{"items 0 and 9", Data{w.items, []Vote{{Left: 0, Right: 9, Outcome: assay.Left}}}, Options{}, 0, assay.ErrInvalid},
		{"items 1 and 1", Data{w.items, []Vote{{Left: 1, Right: 1, Outcome: assay.Left}}}, Options{}, 0, assay.ErrInvalid},
		{"rater -1", Data{w.items, []Vote{{Left: 0, Right: 1, Outcome: assay.Left, Rater: -1}}}, Options{}, 0, assay.ErrInvalid},
		{`"best"`, Data{w.items, []Vote{{Left: 0, Right: 1, Outcome: "best"}}}, Options{}, 0, assay.ErrInvalid},
		{"1 folds", Data{w.items, []Vote{vote}}, Options{Folds: 1}, 0, assay.ErrInvalid},
		{"judged nothing", Data{w.items, []Vote{vote}}, Options{}, 3, assay.ErrUnavailable},
		{"judged nothing", Data{w.items, []Vote{{Left: 0, Right: 1, Outcome: assay.Skip}}}, Options{}, 0, assay.ErrUnavailable},
		{"without a feature", Data{[]Item{{}, {}}, []Vote{vote}}, Options{}, 0, assay.ErrUnavailable},
	} {
		if _, err := Learn(t.Context(), c.d, c.rater, c.opt); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: %v", c.why, err)
		}
	}
	r, err := Learn(t.Context(), Data{w.items, []Vote{vote}}, 0, Options{})
	if err != nil || r.Check.Accepted || !strings.Contains(r.Check.Reason, "needs 20") {
		t.Fatalf("one vote: %+v, %v", r, err)
	}
	if _, _, err := r.Of(Item{Vector: make([]float32, 3)}); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("an item of another kind: %v", err)
	}
}
