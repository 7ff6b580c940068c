package taste

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"

	"gonum.org/v1/gonum/mat"

	"github.com/gen-emerge/assay/stat"
)

// fewTried is how many decided pairs a trial must predict, and fewClusters how
// many rounds they must come from, before its verdict is more than an anecdote.
const (
	fewTried    = 20
	fewClusters = 5
)

// A tried is one decided pair of the rater as models foresaw it that knew
// neither of its images.
type tried struct {
	vote          int
	y             float64 // 1: left was better, −1: right
	d             float64 // log-odds of left by the personal model
	population    float64 // by the model of all others; NaN if there is none
	embedding     float64 // the embedding's part of d, in standard deviations of it over the judged items
	loss, popLoss float64
}

// lossOf returns −ln of the probability of y at log-odds d.
func lossOf(y, d float64) float64 {
	if d *= -y; d > 0 {
		return d + math.Log1p(math.Exp(-d))
	}
	return math.Log1p(math.Exp(d))
}

// folds deals the groups of items that the rater has judged into folds of like
// size, and all others into none (−1): they are in nobody's way.
func (l *learning) folds() ([]int, int) {
	var groups []int
	for _, i := range l.judged() {
		groups = append(groups, l.data.Items[i].Group)
	}
	slices.Sort(groups)
	groups = slices.Compact(groups)
	n := min(l.opt.Folds, len(groups))
	rand.New(rand.NewPCG(1, uint64(len(groups)))).Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
	of := map[int]int{}
	for k, g := range groups {
		of[g] = k % n
	}
	fold := make([]int, len(l.data.Items))
	for i, it := range l.data.Items {
		k, ok := of[it.Group]
		if !ok {
			k = -1
		}
		fold[i] = k
	}
	return fold, n
}

// predict foresees every decided pair of the rater with models that knew none
// of its images, nor any of their groups: for each two folds that a pair can
// come from, everything is learned from the judgments that touch neither, what
// the rater's own judgments choose of the prior included.
func (l *learning) predict(ctx context.Context) ([]tried, error) {
	fold, n := l.folds()
	cases := map[[2]int][]row{}
	for _, r := range l.rows {
		if r.rater != l.rater || r.right == Bar || r.y == 0 {
			continue
		}
		a, b := fold[r.left], fold[r.right]
		key := [2]int{min(a, b), max(a, b)}
		cases[key] = append(cases[key], r)
	}
	var keys [][2]int
	for a := range n {
		for b := a; b < n; b++ {
			if len(cases[[2]int{a, b}]) > 0 {
				keys = append(keys, [2]int{a, b})
			}
		}
	}
	found := make([][]tried, len(keys))
	errs := make([]error, len(keys))
	workers := l.opt.Workers
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(workers, len(keys)) {
		wg.Go(func() {
			for k := range next {
				out := func(i int) bool { return i != Bar && (fold[i] == keys[k][0] || fold[i] == keys[k][1]) }
				found[k], errs[k] = l.foresee(ctx, cases[keys[k]], out)
			}
		})
	}
	for k := range keys {
		next <- k
	}
	close(next)
	wg.Wait()
	all := slices.Concat(found...)
	slices.SortStableFunc(all, func(a, b tried) int { return a.vote - b.vote })
	return all, errors.Join(errs...)
}

// foresee predicts some rows from those that show no item that is out.
func (l *learning) foresee(ctx context.Context, test []row, out func(item int) bool) ([]tried, error) {
	var learn, others []row
	for _, r := range l.rows {
		if out(r.left) || out(r.right) {
			continue
		}
		learn = append(learn, r)
		if r.rater != l.rater {
			others = append(others, r)
		}
	}
	personal, err := l.forecaster(ctx, learn, l.free)
	if err != nil {
		return nil, err
	}
	var parts []float64
	for _, i := range l.judged() {
		parts = append(parts, dot(l.x[i][:l.layout.comps], personal.weight))
	}
	_, spread := moments(parts)
	var population *forecaster
	if l.layout.others {
		if population, err = l.forecaster(ctx, others, nil); err != nil {
			return nil, err
		}
	}
	var all []tried
	for _, r := range test {
		t := tried{vote: r.vote, y: r.y, d: personal.logOdds(r.z), population: math.NaN(), popLoss: math.NaN()}
		if spread > 0 {
			t.embedding = dot(r.z[:l.layout.comps], personal.weight) / spread
		}
		t.loss = lossOf(t.y, t.d)
		if population != nil {
			t.population = population.logOdds(r.z)
			t.popLoss = lossOf(t.y, t.population)
		}
		all = append(all, t)
	}
	return all, nil
}

// A forecaster predicts one person's next judgment.
type forecaster struct {
	weight   []float64
	cov      *mat.SymDense // of the weights, then of the residuals of what they judged
	residual float64       // prior variance of the residual of an image they have not judged
}

// forecaster learns from some rows what the rater prefers, who is taken for
// anybody if none is theirs.
func (l *learning) forecaster(ctx context.Context, rows []row, free []part) (*forecaster, error) {
	sh, post, err := l.fit(ctx, rows, free)
	if err != nil {
		return nil, err
	}
	f := &forecaster{weight: post.weights(l.rater, l.layout.cols()), residual: sh.residual * sh.residual}
	f.cov, err = post.arrow.covariance(l.layout.prior(sh), l.rater)
	return f, err
}

// logOdds returns the log-odds of the left of two images that the rater has not
// judged, drawn towards 0 by how little is known of the weights and of the
// images: the mean of a logistic function over a normal, as MacKay (1992)
// approximates it.
func (f *forecaster) logOdds(z []float64) float64 {
	v, cov := mat.NewVecDense(len(z), z), f.cov.SliceSym(0, len(z))
	return dot(z, f.weight) / math.Sqrt(1+math.Pi/8*(max(0, mat.Inner(v, cov, v))+2*f.residual))
}

// try predicts and judges.
func (l *learning) try(ctx context.Context) (Check, slope, error) {
	all, err := l.predict(ctx)
	if err != nil {
		return Check{}, slope{}, err
	}
	c, err := l.verdict(all)
	return c, l.embeddingSlope(all), err
}

// verdict says what the predictions are worth.
func (l *learning) verdict(all []tried) (Check, error) {
	c := Check{N: len(all), Coin: math.Ln2}
	if len(all) == 0 {
		c.Reason = "no pair has been decided yet: there is nothing to try a reward on"
		return c, nil
	}
	var coin, population []float64
	var clusters []int
	loss, popLoss, right := 0.0, 0.0, 0
	for _, t := range all {
		loss += t.loss / float64(len(all))
		popLoss += t.popLoss / float64(len(all))
		coin, population = append(coin, math.Ln2-t.loss), append(population, t.popLoss-t.loss)
		clusters = append(clusters, l.data.Votes[t.vote].Cluster)
		if t.d*t.y > 0 {
			right++
		}
	}
	ci, err := stat.Wilson(right, len(all), 0.95)
	if err != nil {
		return c, err
	}
	c.LogLoss, c.Accuracy = &loss, &Share{float64(right) / float64(len(all)), ci.Lo, ci.Hi, len(all)}
	c.BeatsCoin = gain(coin, clusters)
	if l.layout.others {
		c.Population, c.BeatsPopulation = &popLoss, gain(population, clusters)
	}
	c.decide()
	return c, nil
}

// embeddingSlope is what one standard deviation of the embedding's part of the
// reward is worth on pairs that it had not seen.
func (l *learning) embeddingSlope(all []tried) slope {
	var x []difference
	for _, t := range all {
		x = append(x, difference{t.y * t.embedding, l.data.Votes[t.vote].Cluster})
	}
	return slopeOf(x)
}

// decide sets Accepted and Reason.
func (c *Check) decide() {
	g, p := c.BeatsCoin, c.BeatsPopulation
	saved := fmt.Sprintf("%.3f nats a pair against %.3f of a coin over %d unseen pairs", *c.LogLoss, c.Coin, c.N)
	switch {
	case c.N < fewTried:
		c.Reason = fmt.Sprintf("%d decided pairs: a trial needs %d", c.N, fewTried)
	case g.Low == nil:
		c.Reason = fmt.Sprintf("the pairs come from too few rounds to tell luck from taste: a trial needs %d", fewClusters)
	case g.Mean <= 0:
		c.Reason = "it foresees no better than a coin: " + saved
	case *g.Low <= 0:
		c.Reason = fmt.Sprintf("it cannot be told from a coin yet: %s; the gain of %.3f may be as low as %.3f", saved, g.Mean, *g.Low)
	case p != nil && p.Mean <= 0:
		c.Reason = fmt.Sprintf("what everybody else prefers foresees this person as well: %.3f nats a pair against %.3f", *c.Population, *c.LogLoss)
	default:
		c.Accepted = true
		c.Reason = "it beats a coin: " + saved
		if p != nil {
			c.Reason += fmt.Sprintf(", and the others' %.3f", *c.Population)
			if p.Low == nil || *p.Low <= 0 {
				c.Reason += ", though that may be luck"
			}
		}
	}
}

// gain returns the mean of some differences with its 95 % interval over
// clusters.
func gain(x []float64, cluster []int) *Gain {
	g := &Gain{}
	sums := map[int]float64{}
	for _, v := range x {
		g.Mean += v / float64(len(x))
	}
	for k, v := range x {
		sums[cluster[k]] += v - g.Mean
	}
	n := float64(len(sums))
	if n < fewClusters {
		return g
	}
	ss := 0.0
	for _, k := range sorted(sums) {
		ss += sums[k] * sums[k]
	}
	half := stat.StudentHalf(0.95, n-1) * math.Sqrt(ss*n/(n-1)) / float64(len(x))
	low, high := g.Mean-half, g.Mean+half
	g.Low, g.High = &low, &high
	return g
}

// sorted lists the keys of a map in order, so that sums over it always have the
// same last digit.
func sorted(m map[int]float64) []int { return slices.Sorted(maps.Keys(m)) }
