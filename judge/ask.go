package judge

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
)

// Ask puts one question about one picture by itself: once where the server gives
// probabilities, else opt.Samples times. A question that cannot be put is an
// abstention that says why, as is every reply that is no answer. The error is
// the asker's, or wraps [assay.ErrInvalid].
func Ask(ctx context.Context, m vlm.Model, s Subject, q assay.Question, opt Options) (assay.Belief, error) {
	opt, err := opt.filled()
	if err != nil {
		return assay.Belief{}, err
	}
	if err := checkSubject(s); err != nil {
		return assay.Belief{}, err
	}
	return newAsking(m, opt).question(ctx, s, q, 0)
}

// asking is one piece of work on a judge: requests at most opt.Parallel at once,
// and none after one has failed for good. Those under way are then waited for:
// they are paid for.
type asking struct {
	m     vlm.Model
	opt   Options
	slots chan struct{}

	mu  sync.Mutex
	err error // the first failure
}

func newAsking(m vlm.Model, opt Options) *asking {
	return &asking{m: m, opt: opt, slots: make(chan struct{}, opt.Parallel)}
}

// judge is whom answers are entered under.
func (a *asking) judge() assay.Judge {
	j := a.m.Judge
	j.Protocol = Protocol
	return j
}

func (a *asking) failure() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

func (a *asking) fail(err error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil {
		a.err = err
	}
	return a.err
}

// all runs f for 0 to n-1, at most opt.Parallel at once, and returns the first
// failure. A failure starts no more; what is running ends by itself.
func (a *asking) all(n int, f func(i int) error) error {
	room := make(chan struct{}, a.opt.Parallel)
	var wg sync.WaitGroup
	for i := range n {
		room <- struct{}{}
		if a.failure() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-room }()
			if err := f(i); err != nil {
				a.fail(err)
			}
		})
	}
	wg.Wait()
	return a.failure()
}

// send asks once. A request that timed out while the work goes on is no failure:
// late is set, and it counts as a reply that is no answer.
func (a *asking) send(ctx context.Context, r vlm.Request) (reply vlm.Reply, late bool, err error) {
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-ctx.Done():
		return vlm.Reply{}, false, a.fail(context.Cause(ctx))
	}
	if err := a.failure(); err != nil {
		return vlm.Reply{}, false, err
	}
	reply, err = a.m.Asker.Ask(ctx, r)
	switch {
	case err == nil:
		return reply, false, nil
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		return vlm.Reply{}, true, nil
	}
	return vlm.Reply{}, false, a.fail(fmt.Errorf("judge %s: %w", a.m.Name, err))
}

const (
	cut      = "length" // [vlm.Reply.Finish] of a reply that ran out of tokens
	moreRoom = 16       // times as many tokens for a reply that was cut off before it said anything
	mostRoom = 8192
)

// again sends r until use accepts a reply, at most 1+opt.Retries times, each as
// a sample of its own. Models that think unseen spend tokens before the first
// visible one; a reply cut off before it said anything is asked for with room.
func (a *asking) again(ctx context.Context, r vlm.Request, repeat, draw int, use func(reply vlm.Reply, late bool) (ok bool)) error {
	for retry := range 1 + a.opt.Retries {
		r.Sample = a.opt.sample(repeat, draw, retry)
		if a.m.Can.Seed && r.TopLogProbs == 0 {
			r.Seed = new(int64(chance(a.opt.Seed, fmt.Sprint("draw ", r.Sample)) >> 33)) // 31 bits: what every server takes
		}
		reply, late, err := a.send(ctx, r)
		if err != nil {
			return err
		}
		if use(reply, late) {
			return nil
		}
		if reply.Finish == cut && normal(reply.Text) == "" {
			r.MaxTokens = min(mostRoom, r.MaxTokens*moreRoom)
		}
	}
	return nil
}

// question asks one question by itself.
func (a *asking) question(ctx context.Context, s Subject, q assay.Question, repeat int) (assay.Belief, error) {
	r, why := put(a.m, s, q)
	if why != "" {
		return assay.Belief{Abstained: why}, nil
	}
	return a.belief(ctx, r, yesNo, repeat, false)
}

// belief reads P of the first side of l from what r is answered with; flipped
// means of the second.
func (a *asking) belief(ctx context.Context, r vlm.Request, l lexicon, repeat int, flipped bool) (assay.Belief, error) {
	if a.m.Can.Temperature {
		r.Temperature = new(1.0) // the distribution as it is, neither sharpened nor cut
	}
	if a.m.Can.LogProbs {
		return a.distribution(ctx, r, l, repeat, flipped)
	}
	r.MaxTokens = 16
	draws := make([]drawn, a.opt.Samples)
	err := a.all(len(draws), func(i int) error {
		var err error
		draws[i], err = a.draw(ctx, r, l, repeat, i)
		return err
	})
	if err != nil {
		return assay.Belief{}, err
	}
	var t tally
	for _, d := range draws {
		t.add(d.side, d.refused, d.why)
	}
	if flipped {
		t.first, t.second = t.second, t.first
	}
	return t.belief(), nil
}

func (a *asking) distribution(ctx context.Context, r vlm.Request, l lexicon, repeat int, flipped bool) (b assay.Belief, err error) {
	r.MaxTokens = positions
	r.TopLogProbs = 20
	if n := a.m.Can.TopLogProbs; n > 0 {
		r.TopLogProbs = min(20, n)
	}
	err = a.again(ctx, r, repeat, 0, func(reply vlm.Reply, late bool) bool {
		if late {
			b = assay.Belief{Method: assay.ByLogProbs, Abstained: noAnswer + timedOut}
			return false
		}
		b = l.distribution(reply)
		return b.Known() || b.Abstained == cannotTell || isRefusal(b)
	})
	if flipped {
		b = flip(b)
	}
	return b, err
}

const timedOut = "the request timed out"

func isRefusal(b assay.Belief) bool {
	return len(b.Abstained) >= len(refusedTo) && b.Abstained[:len(refusedTo)] == refusedTo
}

// drawn is one sampled answer.
type drawn struct {
	side    side
	refused bool
	why     string
}

func (a *asking) draw(ctx context.Context, r vlm.Request, l lexicon, repeat, n int) (d drawn, err error) {
	err = a.again(ctx, r, repeat, n, func(reply vlm.Reply, late bool) bool {
		if late {
			d = drawn{why: timedOut}
			return false
		}
		d = l.drawn(reply)
		return d.refused || d.side != nothing
	})
	return d, err
}

// drawn reads one sampled reply.
func (l lexicon) drawn(reply vlm.Reply) drawn {
	if why := refusal(reply); why != "" {
		return drawn{refused: true, why: why}
	}
	s, refused := l.read(reply.Text)
	if refused {
		return drawn{refused: true, why: excerpt(reply.Text)}
	}
	return drawn{side: s, why: fmt.Sprintf("neither %s nor %s in %q", l.first, l.other, excerpt(reply.Text))}
}

// chance is 64 bits that depend on the seed and on what they are for, so that a
// choice is the same whatever else is chosen.
func chance(seed uint64, what string) uint64 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", seed, what))
	return binary.LittleEndian.Uint64(sum[:])
}

// unit is [chance] as a number in [0,1).
func unit(seed uint64, what string) float64 {
	return float64(chance(seed, what)>>11) / (1 << 53)
}
