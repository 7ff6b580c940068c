package series

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/gen-emerge/assay"
)

const (
	repeatShare = 1.0 / 3 // chance that a round asks one old pair again
	repeatAfter = 8       // pairs that the rater has decided before any is asked again
)

// A portfolio is a round being put together.
type portfolio struct {
	s      *Series
	view   *View
	rater  string
	n      int
	placed []assay.Digest
	people []assay.Judgment         // standing, of all raters, skips left out, oldest first
	seen   map[[2]assay.Digest]bool // answered by this rater before, or in this round
	pairs  []assay.Pair
}

// choose makes the portfolio of a round. First comes the challenger that is
// closest to a decision, then a refused image to see what the gates lose, a pair on
// which judges are torn, the pair the ranking would learn most from, more
// challengers, and always one pair at random: the unbiased anchor against which
// everything else can be checked. Now and then an old pair is asked again.
func (s *Series) choose(ctx context.Context, rater string, n int) ([]assay.Pair, error) {
	view, err := s.View(ctx)
	if err != nil {
		return nil, err
	}
	p := &portfolio{s: s, view: view, rater: rater, n: n, placed: view.placed()}
	if len(p.placed) < 2 {
		return nil, fmt.Errorf("series %s: %d images on the map: a comparison needs two: %w", s.name, len(p.placed), assay.ErrUnavailable)
	}
	if err := p.read(ctx); err != nil {
		return nil, err
	}
	p.some(p.nearest(), 1)
	p.audit()
	p.some(p.torn(), 1)
	p.again()
	learn, err := s.informative(ctx, p.placed)
	if err != nil {
		return nil, err
	}
	p.some(learn, 1)
	p.some(p.nearest(), n)
	p.some(learn, n)
	p.random()
	if len(p.pairs) == 0 {
		return nil, fmt.Errorf("series %s: %s has compared every pair: %w", s.name, rater, assay.ErrUnavailable)
	}
	rand.Shuffle(len(p.pairs), func(i, j int) { p.pairs[i], p.pairs[j] = p.pairs[j], p.pairs[i] }) // the place tells nothing of the reason
	return p.pairs, nil
}

// read gathers what people have said so far.
func (p *portfolio) read(ctx context.Context) error {
	all, err := p.s.facts.Judgments(ctx, p.s.name)
	if err != nil {
		return err
	}
	p.seen = map[[2]assay.Digest]bool{}
	for _, j := range all {
		if j.Source != "human" || j.Withdrawn || j.Outcome == assay.Skip {
			continue
		}
		p.people = append(p.people, j)
		if j.Rater == p.rater {
			p.seen[pairKey(j.Left, j.Right)] = true
		}
	}
	return nil
}

// add appends a pair that the rater has not answered, its sides at random.
func (p *portfolio) add(pair assay.Pair) bool {
	key := pairKey(pair.Left, pair.Right)
	if p.seen[key] || pair.Left == pair.Right {
		return false
	}
	p.seen[key] = true
	if rand.IntN(2) == 0 { // sides are random and recorded
		pair.Left, pair.Right = pair.Right, pair.Left
	}
	p.pairs = append(p.pairs, pair)
	return true
}

// some adds up to most of the pairs, as long as a place is left for one at
// random.
func (p *portfolio) some(pairs []assay.Pair, most int) {
	for _, pair := range pairs {
		if most == 0 || len(p.pairs) >= p.n-1 {
			return
		}
		if p.add(pair) {
			most--
		}
	}
}

// nearest lists the challengers that the rater has not compared with their elite,
// by how near their posterior is to what replaces an elite.
func (p *portfolio) nearest() []assay.Pair {
	var out []ranked
	for cell := range p.view.Archive.Cells() {
		for _, c := range cell.Challengers {
			out = append(out, ranked{assay.Pair{Kind: assay.ArchivePair, Left: cell.Elite.Image, Right: c.Image,
				Reason: "who holds the cell " + p.view.cellRange(cell.Index)}, math.Abs(c.Posterior - p.s.opt.Tau)})
		}
	}
	return p.order(out)
}

// A ranked pair comes the earlier the lower its distance.
type ranked struct {
	assay.Pair
	distance float64
}

// order sorts the pairs that the rater has not answered, those at one distance at
// random, with the chance of each to come next given those before it.
func (p *portfolio) order(pairs []ranked) (out []assay.Pair) {
	pairs = slices.DeleteFunc(pairs, func(r ranked) bool { return p.seen[pairKey(r.Left, r.Right)] })
	rand.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
	slices.SortStableFunc(pairs, func(a, b ranked) int { return cmp.Compare(a.distance, b.distance) })
	end := 0 // of those at the distance in hand
	for k, r := range pairs {
		if k == end {
			for end < len(pairs) && pairs[end].distance == r.distance {
				end++
			}
		}
		r.Propensity = 1 / float64(end-k)
		out = append(out, r.Pair)
	}
	return out
}

// torn lists the pairs on which judges are nearest to undecided, or contradict
// each other: there a person's word says most about the judges.
func (p *portfolio) torn() []assay.Pair {
	type bench struct{ up, down int }
	said := map[[2]assay.Digest]bench{}
	first := map[[2]assay.Digest]Weighed{}
	var keys [][2]assay.Digest
	for _, w := range p.view.Comparisons {
		key := pairKey(w.A, w.B)
		if _, met := first[key]; !met {
			keys, first[key] = append(keys, key), w
		}
		b := said[key]
		switch better := w.P > 0.5; {
		case w.P == 0.5 || w.Outcome == assay.Skip:
		case better == (w.A == key[0]):
			b.up++
		default:
			b.down++
		}
		said[key] = b
	}
	var out []ranked
	for _, key := range keys {
		r := ranked{assay.Pair{Kind: assay.JudgePair, Left: key[0], Right: key[1], Reason: "judges are nearly undecided: it says most about them"},
			math.Abs(first[key].P - 0.5)}
		if b := said[key]; b.up > 0 && b.down > 0 {
			r.Reason, r.distance = "judges contradict each other", 0
		}
		out = append(out, r)
	}
	return p.order(out)
}

// audit adds, to a round of four or more, one image that a gate refused against
// one on the map, both drawn at random: nothing else can show what gates lose. It
// looks like any other pair.
func (p *portfolio) audit() {
	if p.n < 4 {
		return
	}
	judged := map[assay.Digest]bool{}
	for _, j := range p.people {
		judged[j.Left], judged[j.Right] = true, true
	}
	open := slices.DeleteFunc(p.view.Refused(), func(id assay.Digest) bool { return judged[id] })
	if len(open) == 0 {
		return
	}
	p.some([]assay.Pair{{Kind: assay.AuditPair, Left: open[rand.IntN(len(open))], Right: p.placed[rand.IntN(len(p.placed))],
		Reason:     "one of the two was refused by a gate: whether rightly, only you can say",
		Propensity: 1 / (float64(len(open)) * float64(len(p.placed)))}}, 1)
}

// again asks, in about one round of three, a pair that the rater has decided once
// before, with the sides swapped: how often they agree with themselves is what any
// judge could reach.
func (p *portfolio) again() {
	if len(p.pairs) >= p.n-1 || rand.Float64() >= repeatShare {
		return
	}
	times := map[[2]assay.Digest]int{}
	var old []assay.Judgment
	for _, j := range p.people {
		if _, decided := decidedBy(j); !decided || j.Rater != p.rater {
			continue
		}
		key := pairKey(j.Left, j.Right)
		if times[key]++; times[key] == 1 {
			old = append(old, j)
		}
	}
	old = old[:max(len(old)-repeatAfter, 0)] // what was asked last is still remembered
	open := slices.DeleteFunc(old, func(j assay.Judgment) bool { return times[pairKey(j.Left, j.Right)] > 1 })
	if len(open) == 0 {
		return
	}
	j := open[rand.IntN(len(open))]
	p.pairs = append(p.pairs, assay.Pair{Kind: assay.RepeatPair, Left: j.Right, Right: j.Left,
		Reason: "asked before with the sides swapped: how often you agree with yourself", Propensity: repeatShare / float64(len(open))})
}

// random fills the round with pairs of the map that the rater has not answered, all
// equally likely.
func (p *portfolio) random() {
	onMap := map[assay.Digest]bool{}
	for _, id := range p.placed {
		onMap[id] = true
	}
	open := len(p.placed) * (len(p.placed) - 1) / 2
	for pair := range p.seen {
		if onMap[pair[0]] && onMap[pair[1]] {
			open--
		}
	}
	for i, j := range randomPairs(len(p.placed)) {
		if len(p.pairs) == p.n {
			return
		}
		if p.add(assay.Pair{Kind: assay.RandomPair, Left: p.placed[i], Right: p.placed[j],
			Reason: "a pair at random, to keep the others honest", Propensity: 1 / float64(max(open, 1))}) {
			open--
		}
	}
}
