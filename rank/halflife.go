package rank

import (
	"context"
	"math"
	"slices"
)

// A HalfLife is what the search for a half-life found: how well votes are
// forecast from those before them, one block ahead, with and without decay.
type HalfLife struct {
	Judgments float64 // that is used; 0: decay does not help, and there is none
	Best      float64 // the best that was tried; 0 if too few votes for a search
	Gain      float64 // nats per vote that Best forecasts better than no decay
	StdErr    float64 // of Gain, over blocks
	Votes     int     // that were forecast
	Fixed     bool    // it was given, not searched for
}

// Half-lives are tried in steps of about 1.6, from a few rounds on. Votes are
// forecast in blocks, each from all that came before it.
const (
	leastForDecay = 60 // votes; with fewer the forecasts are anecdotes
	decayBlocks   = 24
	decayStart    = 4 // the first quarter is only learned from
)

func halfLives(votes int) (out []float64) {
	for _, h := range []float64{15, 25, 40, 65, 100, 160, 250, 400, 650, 1000, 1600, 2500, 4000} {
		if h <= float64(votes) {
			out = append(out, h)
		}
	}
	return out
}

// of returns the half-life to fit with, 0 for none.
func (h *HalfLife) of(opt JointOptions) float64 {
	switch {
	case opt.HalfLife > 0:
		return opt.HalfLife
	case h == nil || opt.HalfLife < 0:
		return 0
	}
	return h.Judgments
}

// halfLife searches for the half-life whose forecasts are best by the logarithmic
// score. It is used if it beats no decay by more than two standard errors. Votes
// without times are in no order that decay could mean.
func (m *jointModel) halfLife(ctx context.Context, votes []JointVote, opt JointOptions) (*HalfLife, error) {
	if opt.HalfLife > 0 {
		return &HalfLife{Judgments: opt.HalfLife, Best: opt.HalfLife, Fixed: true}, nil
	}
	timed := !slices.ContainsFunc(votes, func(v JointVote) bool { return v.Time.IsZero() })
	if opt.HalfLife < 0 || opt.Quick || !timed {
		return nil, nil
	}
	if len(votes) < leastForDecay {
		return &HalfLife{Votes: 0}, nil
	}
	order := backwards(votes)
	slices.Reverse(order)
	plain, err := forecasts(ctx, m.n, votes, order, 0, opt)
	if err != nil {
		return nil, err
	}
	out := &HalfLife{Votes: len(votes) - len(votes)/decayStart, Gain: math.Inf(-1)}
	for _, h := range halfLives(len(votes)) {
		scores, err := forecasts(ctx, m.n, votes, order, h, opt)
		if err != nil {
			return nil, err
		}
		if gain, se := gained(scores, plain); gain > out.Gain {
			out.Best, out.Gain, out.StdErr = h, gain, se
		}
	}
	if out.Gain > 2*out.StdErr {
		out.Judgments = out.Best
	}
	return out, nil
}

// A blockScore is the log score of one block of votes, and how many there were.
type blockScore struct{ sum, votes float64 }

// gained is the mean gain a vote and its standard error by the jackknife over
// blocks.
func gained(a, b []blockScore) (mean, se float64) {
	var diff, votes float64
	for k := range a {
		diff, votes = diff+a[k].sum-b[k].sum, votes+a[k].votes
	}
	mean = diff / votes
	n := float64(len(a))
	for k := range a {
		without := (diff - (a[k].sum - b[k].sum)) / (votes - a[k].votes)
		se += (without - mean) * (without - mean)
	}
	return mean, math.Sqrt(se * (n - 1) / n)
}

// forecasts scores each block of votes by a fit to all votes before it. Raters
// are taken for alike here: the search asks about time.
func forecasts(ctx context.Context, n int, votes []JointVote, order []int, half float64, opt JointOptions) ([]blockScore, error) {
	opt.Quick, opt.HalfLife = true, -1
	sorted := make([]JointVote, len(order))
	for k, at := range order {
		sorted[k] = votes[at]
		sorted[k].Rater = -1
	}
	first := len(sorted) / decayStart
	blocks := min(decayBlocks, len(sorted)-first)
	var out []blockScore
	var last *jointModel
	for b := range blocks {
		from, to := first+b*(len(sorted)-first)/blocks, first+(b+1)*(len(sorted)-first)/blocks
		m := newJointModel(n, 0, sorted[:from], nil, opt)
		if last != nil {
			m.from(last)
		}
		m.decay(sorted[:from], half)
		if err := m.fit(ctx, 30); err != nil {
			return nil, err
		}
		out = append(out, m.score(sorted[from:to]))
		last = m
	}
	return out, nil
}

// score is the log score of votes that the model has not seen. An outcome that
// it knows nothing of (the first tie) counts as one click in a hundred.
func (m *jointModel) score(votes []JointVote) (s blockScore) {
	unseen := newJointModel(m.n, 0, votes, nil, m.opt)
	for k := range unseen.votes {
		v := &unseen.votes[k]
		v.five = v.five && !m.held[m.global()+2]
		if !v.five && abs8(v.k) == 2 {
			v.k /= 2
		}
		p := m.look(v).p[v.k+2]
		s.sum += v.base * math.Log(max(p, 0.01))
		s.votes += v.base
	}
	return s
}
