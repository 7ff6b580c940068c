package archive

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gen-emerge/assay"
)

// A model is an archive written as its definition reads: lists that are
// searched from the start, and exact fractions.
type model struct {
	grid  []assay.Axis
	tau   *big.Rat
	log   []Comparison
	where map[assay.Digest]string
	order []assay.Digest          // placed images
	elite map[string]assay.Digest // by position
	doubt *big.Rat
	swaps int
}

func (m *model) position(p []float64) string {
	s := ""
	for i, v := range p {
		c, a := 0, m.grid[i]
		for c < a.Cells-1 && v >= (a.Lo*float64(a.Cells-c-1)+a.Hi*float64(c+1))/float64(a.Cells) {
			c++
		}
		s += fmt.Sprint(c, " ")
	}
	return s
}

// odds of the judges that the model knows.
var odds = map[float64]*big.Rat{0.5: big.NewRat(1, 1), 0.6: big.NewRat(3, 2), 0.75: big.NewRat(3, 1), 0.9: big.NewRat(9, 1)}

// better is P(Bin(n+1, ½) ≤ k) of people as a fraction, ½ without evidence, its
// odds multiplied by those of the judges.
func (m *model) better(x, y assay.Digest) *big.Rat {
	k, n := int64(0), int64(0)
	judges := big.NewRat(1, 1)
	for _, c := range m.log {
		if !(c.Left == x && c.Right == y || c.Left == y && c.Right == x) || c.Outcome == assay.Skip {
			continue
		}
		won := c.Left == x && c.Outcome == assay.Left || c.Right == x && c.Outcome == assay.Right
		lost := c.Left == y && c.Outcome == assay.Left || c.Right == y && c.Outcome == assay.Right
		switch {
		case c.Accuracy > 0 && won:
			judges.Mul(judges, odds[c.Accuracy])
		case c.Accuracy > 0 && lost:
			judges.Quo(judges, odds[c.Accuracy])
		case c.Accuracy > 0:
		case won:
			n, k = n+1, k+1
		default:
			n++
		}
	}
	p := people(k, n)
	p.Mul(p, judges)
	return p.Quo(p, new(big.Rat).Add(p, people(n-k, n))) // 1 − P(≤ k) = P(≤ n−k)
}

func people(k, n int64) *big.Rat {
	if n == 0 {
		return big.NewRat(1, 2)
	}
	sum := new(big.Int)
	for i := int64(0); i <= k; i++ {
		sum.Add(sum, new(big.Int).Binomial(n+1, i))
	}
	return new(big.Rat).SetFrac(sum, new(big.Int).Lsh(big.NewInt(1), uint(n+1)))
}

// settle is the rule of [Archive.Compare] for one cell and its contestant.
func (m *model) settle(cell string, x assay.Digest) {
	been := []assay.Digest{m.elite[cell]}
	for m.better(x, m.elite[cell]).Cmp(m.tau) >= 0 {
		m.doubt.Add(m.doubt, new(big.Rat).Sub(big.NewRat(1, 1), m.better(x, m.elite[cell])))
		m.swaps++
		m.elite[cell] = x
		been = append(been, x)
		var best assay.Digest
		for _, d := range m.order {
			if m.where[d] == cell && !slices.Contains(been, d) &&
				(best.IsZero() || m.better(d, m.elite[cell]).Cmp(m.better(best, m.elite[cell])) > 0) {
				best = d
			}
		}
		if best.IsZero() {
			break
		}
		x = best
	}
}

func (m *model) add(c Candidate) Status {
	if _, ok := m.where[c.Image]; ok {
		return Duplicate
	}
	if c.Refused {
		return Gated
	}
	if len(c.Descriptor) != len(m.grid) {
		return NotAdded
	}
	cell := m.position(c.Descriptor)
	m.where[c.Image] = cell
	m.order = append(m.order, c.Image)
	if m.elite[cell].IsZero() {
		m.elite[cell] = c.Image
		return Filled
	}
	if m.settle(cell, c.Image); m.elite[cell] == c.Image {
		return Improved
	}
	return Pending
}

func (m *model) compare(c Comparison) {
	m.log = append(m.log, c)
	l, lok := m.where[c.Left]
	r, rok := m.where[c.Right]
	if !lok || !rok || l != r || c.Outcome == assay.Skip {
		return
	}
	switch m.elite[l] {
	case c.Left:
		m.settle(l, c.Right)
	case c.Right:
		m.settle(l, c.Left)
	}
}

// TestModel runs random adds and comparisons through the archive and the model,
// and checks the laws after each: coverage never falls, no image is lost, every
// cell has one elite, replacements doubt at most 1−Tau each.
func TestModel(t *testing.T) {
	outcomes := []assay.Outcome{assay.Left, assay.Right, assay.Left, assay.Right, assay.Tie, assay.BothBad, assay.Skip}
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 9))
		axes := []assay.Axis{{Descriptor: "a", Lo: -1, Hi: 1, Cells: 1 + rng.IntN(3)}, {Descriptor: "b", Lo: 0, Hi: 10, Cells: 1 + rng.IntN(3)}}
		tau := []*big.Rat{big.NewRat(3, 4), big.NewRat(13, 16), big.NewRat(9, 10)}[rng.IntN(3)]
		f, _ := tau.Float64()
		a := mustNew(t, mustGrid(t, axes...), Options{Tau: f})
		m := &model{grid: axes, tau: tau, where: map[assay.Digest]string{}, elite: map[string]assay.Digest{}, doubt: new(big.Rat)}
		covered, images := 0.0, 0
		for step := range 300 {
			if rng.IntN(3) == 0 {
				c := Candidate{Image: id(rng.IntN(25)), Seq: int64(step), Refused: rng.IntN(10) == 0}
				if rng.IntN(10) > 0 {
					c.Descriptor = []float64{rng.NormFloat64(), 5 + 4*rng.NormFloat64()}
				}
				if got, want := a.Add([]Candidate{c})[0].Status, m.add(c); got != want {
					t.Fatalf("seed %d step %d: status %d, want %d", seed, step, got, want)
				}
			} else {
				x, y := rng.IntN(25), rng.IntN(24)
				if y >= x {
					y++
				}
				c := Comparison{Left: id(x), Right: id(y), Outcome: outcomes[rng.IntN(len(outcomes))], Judgment: int64(step)}
				if seed%2 == 1 { // judges and people
					c.Accuracy = []float64{0, 0, 0.5, 0.6, 0.75, 0.9}[rng.IntN(6)]
				}
				if _, err := a.Compare(c); err != nil {
					t.Fatal(err)
				}
				m.compare(c)
			}
			s := a.Stats()
			if s.Coverage < covered || s.Images < images {
				t.Fatalf("seed %d step %d: coverage %g after %g, %d images after %d", seed, step, s.Coverage, covered, s.Images, images)
			}
			covered, images = s.Coverage, s.Images
		}
		checkModel(t, seed, a, m)
	}
}

// checkModel compares the whole state.
func checkModel(t *testing.T, seed uint64, a *Archive, m *model) {
	t.Helper()
	cells, images := 0, 0
	for c := range a.Cells() {
		cells++
		images += c.Images()
		pos := m.position(c.Elite.Descriptor)
		if m.elite[pos] != c.Elite.Image {
			t.Errorf("seed %d: elite of %v differs from the model's", seed, c.Coords)
		}
		var want, got []assay.Digest
		for _, d := range m.order {
			if m.where[d] == pos && d != m.elite[pos] {
				want = append(want, d)
			}
		}
		for _, x := range c.Challengers {
			got = append(got, x.Image)
			p, _ := m.better(x.Image, c.Elite.Image).Float64()
			if d := p - x.Posterior; d > 1e-12 || d < -1e-12 {
				t.Errorf("seed %d: posterior %g, want %g", seed, x.Posterior, p)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("seed %d: challengers of %v (-want +got)\n%s", seed, c.Coords, d)
		}
	}
	s := a.Stats()
	doubt, _ := m.doubt.Float64()
	if cells != len(m.elite) || images != len(m.order) || s.Images != images || s.NumElites != cells {
		t.Errorf("seed %d: %d cells with %d images, want %d with %d", seed, cells, images, len(m.elite), len(m.order))
	}
	if d := s.ExpectedFalseReplacements - doubt; s.Replacements != m.swaps || d > 1e-9 || d < -1e-9 {
		t.Errorf("seed %d: %d replacements, doubt %g; want %d, %g", seed, s.Replacements, s.ExpectedFalseReplacements, m.swaps, doubt)
	}
	if tau, _ := m.tau.Float64(); s.ExpectedFalseReplacements > float64(s.Replacements)*(1-tau)+1e-9 {
		t.Errorf("seed %d: doubt %g over %d replacements exceeds 1−τ each", seed, s.ExpectedFalseReplacements, s.Replacements)
	}
}

// TestDeterminism builds the same archive three times, one of them in batches.
func TestDeterminism(t *testing.T) {
	build := func(batch int) ([]Cell, Stats) {
		rng := rand.New(rand.NewPCG(1, 2))
		a := mustNew(t, small(t), Options{})
		var cs []Candidate
		for i := range 60 {
			cs = append(cs, Candidate{Image: id(i), Seq: int64(i), Descriptor: []float64{rng.Float64(), rng.NormFloat64()}})
		}
		for c := range slices.Chunk(cs, batch) {
			a.Add(c)
		}
		for i := range 200 {
			x := rng.IntN(60)
			if _, err := a.Compare(Comparison{Left: id(x), Right: id((x + 1 + rng.IntN(59)) % 60), Outcome: assay.Left, Judgment: int64(i)}); err != nil {
				t.Fatal(err)
			}
		}
		return slices.Collect(a.Cells()), a.Stats()
	}
	cells, stats := build(1)
	for _, batch := range []int{1, 17} {
		c, s := build(batch)
		if d := cmp.Diff(cells, c); d != "" {
			t.Errorf("batches of %d: cells differ\n%s", batch, d)
		}
		if d := cmp.Diff(stats, s); d != "" {
			t.Errorf("batches of %d: stats differ\n%s", batch, d)
		}
	}
}
