package series

import (
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
	if p.seen, err = s.judged(ctx, rater); err != nil {
		return nil, err
	}
	contested := p.nearest()
	p.some(contested, 1)
	if err := p.audit(ctx); err != nil {
		return nil, err
	}
	p.some(p.torn(), 1)
	if err := p.again(ctx); err != nil {
		return nil, err
	}
	learn, err := s.informative(ctx, p.placed)
	if err != nil {
		return nil, err
	}
	p.some(learn, 1)
	p.some(contested, n)
	p.some(learn, n)
	p.random()
	if len(p.pairs) == 0 {
		return nil, fmt.Errorf("series %s: %s has compared every pair: %w", s.name, rater, assay.ErrUnavailable)
	}
	rand.Shuffle(len(p.pairs), func(i, j int) { p.pairs[i], p.pairs[j] = p.pairs[j], p.pairs[i] }) // the place tells nothing of the reason
	return p.pairs, nil
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

// nearest lists the challengers by how near their posterior is to what replaces
// an elite, equals in random order.
func (p *portfolio) nearest() []assay.Pair {
	pairs, far := []assay.Pair{}, []float64{}
	for cell := range p.view.Archive.Cells() {
		for _, c := range cell.Challengers {
			pairs = append(pairs, assay.Pair{Kind: assay.ArchivePair, Left: cell.Elite.Image, Right: c.Image,
				Reason: "who holds the cell " + p.view.cellRange(cell.Index)})
			far = append(far, math.Abs(c.Posterior-p.s.opt.Tau))
		}
	}
	order := rand.Perm(len(pairs))
	out := make([]assay.Pair, 0, len(pairs))
	for _, group := range groupsBy(order, far) {
		for k, at := range group {
			pair := pairs[at]
			pair.Propensity = 1 / float64(max(len(group)-k, 1))
			out = append(out, pair)
		}
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
	var pairs []assay.Pair
	var far []float64
	for _, key := range keys {
		w, reason := first[key], "judges are nearly undecided: it says most about them"
		distance := math.Abs(w.P - 0.5)
		if b := said[key]; b.up > 0 && b.down > 0 {
			reason, distance = "judges contradict each other", 0
		}
		pairs, far = append(pairs, assay.Pair{Kind: assay.JudgePair, Left: key[0], Right: key[1], Reason: reason, Propensity: 1}), append(far, distance)
	}
	out := make([]assay.Pair, 0, len(pairs))
	for _, group := range groupsBy(rand.Perm(len(pairs)), far) {
		for k, at := range group {
			pairs[at].Propensity = 1 / float64(len(group)-k)
			out = append(out, pairs[at])
		}
	}
	return out
}

// audit adds, to a round of four or more, one image that a gate refused against
// one on the map, both drawn at random: nothing else can show what gates lose. It
// looks like any other pair.
func (p *portfolio) audit(ctx context.Context) error {
	refused := p.view.Refused()
	if p.n < 4 || len(refused) == 0 {
		return nil
	}
	audited, err := p.s.audited(ctx)
	if err != nil {
		return err
	}
	var open []assay.Digest
	for _, id := range refused {
		if !audited[id] {
			open = append(open, id)
		}
	}
	if len(open) == 0 {
		return nil
	}
	p.some([]assay.Pair{{Kind: assay.AuditPair, Left: open[rand.IntN(len(open))], Right: p.placed[rand.IntN(len(p.placed))],
		Reason:     "one of the two was refused by a gate: whether rightly, only you can say",
		Propensity: 1 / (float64(len(open)) * float64(len(p.placed)))}}, 1)
	return nil
}

// audited lists the images that somebody has judged.
func (s *Series) audited(ctx context.Context) (map[assay.Digest]bool, error) {
	all, err := s.facts.Judgments(ctx, s.name)
	if err != nil {
		return nil, err
	}
	out := map[assay.Digest]bool{}
	for _, j := range all {
		if j.Source == "human" && !j.Withdrawn && j.Outcome != assay.Skip {
			out[j.Left], out[j.Right] = true, true
		}
	}
	return out, nil
}

// again asks, in about one round of three, a pair that the rater has decided once
// before, with the sides swapped: how often they agree with themselves is what any
// judge could reach.
func (p *portfolio) again(ctx context.Context) error {
	if len(p.pairs) >= p.n-1 || rand.Float64() >= repeatShare {
		return nil
	}
	all, err := p.s.facts.Judgments(ctx, p.s.name)
	if err != nil {
		return err
	}
	times := map[[2]assay.Digest]int{}
	var old []assay.Judgment
	for _, j := range all {
		if _, decided := decidedBy(j); !decided || j.Rater != p.rater || j.Source != "human" || j.Withdrawn {
			continue
		}
		if times[pairKey(j.Left, j.Right)]++; times[pairKey(j.Left, j.Right)] == 1 {
			old = append(old, j)
		}
	}
	var open []assay.Judgment
	for _, j := range old[:max(len(old)-repeatAfter, 0)] { // what was asked last is still remembered
		if times[pairKey(j.Left, j.Right)] == 1 {
			open = append(open, j)
		}
	}
	if len(open) == 0 {
		return nil
	}
	j := open[rand.IntN(len(open))]
	p.pairs = append(p.pairs, assay.Pair{Kind: assay.RepeatPair, Left: j.Right, Right: j.Left,
		Reason: "asked before with the sides swapped: how often you agree with yourself", Propensity: repeatShare / float64(len(open))})
	return nil
}

// random fills the round with pairs of the map, all equally likely.
func (p *portfolio) random() {
	total := float64(len(p.placed)) * float64(len(p.placed)-1) / 2
	for i, j := range randomPairs(len(p.placed)) {
		if len(p.pairs) == p.n {
			return
		}
		p.add(assay.Pair{Kind: assay.RandomPair, Left: p.placed[i], Right: p.placed[j], Reason: "a pair at random, to keep the others honest", Propensity: 1 / total})
	}
}

// groupsBy sorts the indexes by their values and returns those of one value
// together, each group in the order given.
func groupsBy(order []int, value []float64) (groups [][]int) {
	byValue := map[float64][]int{}
	var values []float64
	for _, k := range order {
		if _, ok := byValue[value[k]]; !ok {
			values = append(values, value[k])
		}
		byValue[value[k]] = append(byValue[value[k]], k)
	}
	slices.Sort(values)
	for _, v := range values {
		groups = append(groups, byValue[v])
	}
	return groups
}
