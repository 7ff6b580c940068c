package taste

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/gen-emerge/assay/stat"
)

// deal deals the items that answers are about into folds of like size; an item
// that no answer is about is in none, −1.
func (l *likening) deal(answers []Likeness, folds int) []int {
	var about []int
	for _, a := range answers {
		about = append(about, a.A)
		if !a.Ref {
			about = append(about, a.B)
		}
	}
	slices.Sort(about)
	about = slices.Compact(about)
	rand.New(rand.NewPCG(2, uint64(len(about)))).Shuffle(len(about), func(i, j int) { about[i], about[j] = about[j], about[i] })
	fold := make([]int, len(l.d.Vectors))
	for i := range fold {
		fold[i] = -1
	}
	for k, i := range about {
		fold[i] = k % folds
	}
	return fold
}

// trial foresees every answer by a fit to those that are not about its items.
func (l *likening) trial(ctx context.Context) (AxesTrial, error) {
	t := AxesTrial{Against: "the untrained embedding"}
	if l.opt.Old != nil {
		t.Against = "the map in force"
	}
	if l.opt.Untried {
		return t, nil
	}
	fold := l.deal(l.d.Answers, l.opt.Folds)
	cases := map[[2]int][]Likeness{}
	for _, a := range l.d.Answers {
		key := [2]int{fold[a.A], fold[a.A]}
		if !a.Ref {
			key = [2]int{min(fold[a.A], fold[a.B]), max(fold[a.A], fold[a.B])}
		}
		if l.opt.Old == nil || a.After {
			cases[key] = append(cases[key], a)
		}
	}
	var x []float64
	var cluster []int
	right, old := 0, 0
	for a := range l.opt.Folds {
		for b := a; b < l.opt.Folds; b++ {
			test := cases[[2]int{a, b}]
			out := func(i int) bool { return fold[i] == a || fold[i] == b }
			learn := slices.DeleteFunc(slices.Clone(l.d.Answers), func(q Likeness) bool { return out(q.A) || !q.Ref && out(q.B) })
			if len(test) == 0 || len(learn) == 0 {
				continue
			}
			f, err := l.tuned(ctx, learn)
			if err != nil {
				return t, err
			}
			asked := l.askings(test)
			for k, q := range test {
				now, then := first(f.squares(&asked[k]), asked[k].n), l.foresawBefore(q, &asked[k])
				right, old = right+now, old+then
				x, cluster = append(x, float64(now-then)), append(cluster, q.A)
				t.Chance += 1 / float64(asked[k].n)
			}
		}
	}
	return t, t.judge(right, old, x, cluster)
}

// foresawBefore is 1 if what a fit has to beat foresees an answer, else 0.
func (l *likening) foresawBefore(a Likeness, q *asking) int {
	if l.opt.Old == nil {
		return first(l.unpack([]float64{0}).squares(q), q.n)
	}
	apart := func(i, j int) (sum float64) {
		for k, v := range l.opt.Old[i] {
			sum += (v - l.opt.Old[j][k]) * (v - l.opt.Old[j][k])
		}
		return sum
	}
	return first([3]float64{apart(a.A, a.B), apart(a.A, a.Odd), apart(a.B, a.Odd)}, q.n)
}

// first is 1 if the first of n distances is the smallest, else 0.
func first(d [3]float64, n int) int {
	if d[0] < d[1] && (n < 3 || d[0] < d[2]) {
		return 1
	}
	return 0
}

// judge fills a trial from what was foreseen: x are the differences by answer.
func (t *AxesTrial) judge(right, old int, x []float64, cluster []int) error {
	if t.N = len(x); t.N == 0 {
		t.Reason = "no answer could be tried that " + t.Against + " and the fit have both not seen"
		return nil
	}
	share := func(k int) (*Share, error) {
		ci, err := stat.Wilson(k, t.N, 0.95)
		return &Share{float64(k) / float64(t.N), ci.Lo, ci.Hi, t.N}, err
	}
	var err error
	if t.New, err = share(right); err != nil {
		return err
	}
	if t.Old, err = share(old); err != nil {
		return err
	}
	t.Chance /= float64(t.N)
	t.Gain = gain(x, cluster)
	half := (t.New.High - t.New.Low) / 2
	t.Accepted = t.N >= fewTried && t.Gain.Mean > half
	said := fmt.Sprintf("of %d answers that it had not seen it foresees %.3f, %s %.3f", t.N, t.New.Value, t.Against, t.Old.Value)
	switch {
	case t.N < fewTried:
		t.Reason = fmt.Sprintf("%d answers: a trial needs %d", t.N, fewTried)
	case t.Accepted:
		t.Reason = said + fmt.Sprintf("; that is more than the %.3f by which chance may be mistaken for it", half)
	default:
		t.Reason = said + fmt.Sprintf("; to be accepted it has to exceed that by more than %.3f, half of its interval; more answers narrow it", half)
	}
	return nil
}
