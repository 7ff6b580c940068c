package vlm

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gen-emerge/assay"
)

// A Price is what a model's tokens cost, per million, in the user's currency.
type Price struct {
	In     float64 `json:"in,omitempty"`     // sent
	Cached float64 `json:"cached,omitempty"` // sent and found in the server's prefix cache; 0: as In
	Out    float64 `json:"out,omitempty"`    // received
}

// Cost returns what u costs at p.
func (p Price) Cost(u Usage) float64 {
	return (float64(u.In-u.Cached)*p.In + float64(u.Cached)*cmp.Or(p.Cached, p.In) + float64(u.Out)*p.Out) / 1e6
}

// A Budget bounds what calls may take: in one run (of a Caller and those beside
// it), and in one day of the ledger, from midnight where the clock stands. 0 is
// no limit. Tokens are those sent and received together; money is in the
// currency of the prices, and without a price nothing is spent. What other
// processes take of the same day is known as of the run's start.
//
// No call is begun that could exceed a limit at worst. At worst, a text has a
// token for each byte and a picture as many as the most wasteful published rule
// gives for its size, the reply has MaxTokens, and nothing is found in the
// server's cache. A sending whose reply was lost counts at worst, too.
type Budget struct {
	Calls, Tokens       int64
	Money               float64
	DayCalls, DayTokens int64
	DayMoney            float64
}

// ErrBudget reports a call that was not begun because it could have exceeded
// the budget. It wraps [assay.ErrUnavailable]; its message says what has been
// spent and which limit is meant.
var ErrBudget = fmt.Errorf("the budget is spent: %w", assay.ErrUnavailable)

// totals is an amount of each thing that a budget bounds.
type totals struct {
	calls, tokens int64
	money         float64
}

func (t totals) plus(o totals) totals {
	return totals{t.calls + o.calls, t.tokens + o.tokens, t.money + o.money}
}

func (t totals) minus(o totals) totals {
	return totals{t.calls - o.calls, t.tokens - o.tokens, t.money - o.money}
}

// An account is what a run has spent of its budget and holds back for calls
// that are under way.
type account struct {
	budget Budget
	ledger Ledger
	now    func() time.Time

	mu      sync.Mutex
	run     totals
	day     totals
	begins  time.Time // of the day that day is of; zero before the first call
	held    totals
	changed chan struct{} // closed when held or spent amounts change
}

func newAccount(b Budget, l Ledger, now func() time.Time) *account {
	return &account{budget: b, ledger: l, now: now, changed: make(chan struct{})}
}

// hold keeps need back for a call, or returns an error wrapping [ErrBudget] if
// it could exceed a limit whatever becomes of the calls under way. As long as
// that depends on them it waits, until quit is closed.
func (a *account) hold(ctx context.Context, quit <-chan struct{}, need totals) error {
	for {
		wait, err := a.try(ctx, need)
		if wait == nil {
			return err
		}
		select {
		case <-wait:
		case <-quit:
			return errLeft
		}
	}
}

// try holds need, or returns why it may not, or what to wait for.
func (a *account) try(ctx context.Context, need totals) (wait <-chan struct{}, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.today(ctx); err != nil {
		return nil, err
	}
	if err := a.exceeds(need, totals{}); err != nil {
		return nil, err
	}
	if a.exceeds(need, a.held) != nil {
		return a.changed, nil
	}
	a.held = a.held.plus(need)
	return nil, nil
}

// today turns to the present day, with what the ledger says was spent in it.
func (a *account) today(ctx context.Context) error {
	if a.budget.DayCalls == 0 && a.budget.DayTokens == 0 && a.budget.DayMoney == 0 {
		return nil
	}
	now := a.now()
	begins := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	if begins.Equal(a.begins) {
		return nil
	}
	if !a.begins.IsZero() { // at work past midnight: what was spent since is what we shall spend
		a.begins, a.day = begins, totals{}
		return nil
	}
	s, err := a.ledger.Spent(ctx, begins)
	if err != nil {
		return fmt.Errorf("what was spent today: %w", err)
	}
	a.begins = begins
	a.day = totals{s.Calls + s.InDoubt, s.In + s.Out + s.DoubtTokens, s.Cost + s.DoubtCost}
	return nil
}

// exceeds returns an error wrapping [ErrBudget] if need, beside what is spent
// and held, could exceed a limit.
func (a *account) exceeds(need, held totals) error {
	b := a.budget
	for _, l := range []struct {
		what                      string
		limit, spent, held, needs float64
	}{
		{"calls a run", float64(b.Calls), float64(a.run.calls), float64(held.calls), float64(need.calls)},
		{"tokens a run", float64(b.Tokens), float64(a.run.tokens), float64(held.tokens), float64(need.tokens)},
		{"money a run", b.Money, a.run.money, held.money, need.money},
		{"calls a day", float64(b.DayCalls), float64(a.day.calls), float64(held.calls), float64(need.calls)},
		{"tokens a day", float64(b.DayTokens), float64(a.day.tokens), float64(held.tokens), float64(need.tokens)},
		{"money a day", b.DayMoney, a.day.money, held.money, need.money},
	} {
		if l.limit == 0 || l.needs == 0 || l.spent+l.held+l.needs <= l.limit*(1+1e-12) { // sums of prices are rounded
			continue
		}
		remedy := "raise the limit, or repeat the run: what is done is kept"
		if strings.HasSuffix(l.what, "day") {
			remedy = "raise the limit, or go on tomorrow: what is done is kept"
		}
		return fmt.Errorf("%w: %s: %.6g of %.6g spent and a call can take %.6g; %s",
			ErrBudget, l.what, l.spent, l.limit, l.needs, remedy)
	}
	return nil
}

// settle gives back what was held and books what was taken.
func (a *account) settle(held, taken totals) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held = a.held.minus(held)
	if a.held.calls == 0 {
		a.held = totals{} // sums of prices are rounded
	}
	a.run, a.day = a.run.plus(taken), a.day.plus(taken)
	close(a.changed)
	a.changed = make(chan struct{})
}
