package vlm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gen-emerge/assay"
)

// usage makes an asker whose replies take what use says.
func using(d time.Duration, use func(r Request) Usage) *asker {
	return &asker{ask: func(_ context.Context, r Request) (Reply, error) {
		time.Sleep(d)
		return Reply{Text: "yes", Finish: "stop", Usage: use(r)}, nil
	}}
}

// Whatever is asked at once, no limit is exceeded, the run goes on as long as it
// can, and what was asked before the end is kept.
func TestBudgetStops(t *testing.T) {
	price := Price{In: 3, Out: 15}
	worst := worstTokens(someone, question(1))
	most := price.Cost(worst)
	for name, tc := range map[string]struct {
		budget Budget
		words  []string
		least  int64 // calls that must have been made
	}{
		"money":  {Budget{Money: 20 * most}, []string{"money a run", "what is done is kept"}, 20},
		"calls":  {Budget{Calls: 37}, []string{"calls a run: 37 of 37 spent"}, 37},
		"tokens": {Budget{Tokens: 15 * (worst.In + worst.Out)}, []string{"tokens a run"}, 15},
		"day":    {Budget{DayMoney: 11 * most, Money: 1e9}, []string{"money a day", "tomorrow"}, 11},
		"both":   {Budget{DayCalls: 9, Calls: 12}, []string{"calls a day: 9 of 9"}, 9},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(1, 2))
				var mu sync.Mutex
				client := using(time.Second, func(r Request) Usage {
					mu.Lock()
					defer mu.Unlock()
					return Usage{In: rng.Int64N(worst.In) + 1, Out: rng.Int64N(worst.Out) + 1}
				})
				ledger := MemoryLedger()
				c := NewCaller(someone, client, CallerOptions{Ledger: ledger, Budget: tc.budget, Price: price, Concurrency: 16})
				defer c.Close()
				var wg sync.WaitGroup
				var answered atomic.Int64
				for i := range 400 {
					wg.Go(func() {
						r := question(i%300 + 100) // texts of one length
						switch _, err := c.Ask(t.Context(), r); {
						case err == nil:
							answered.Add(1)
						default:
							is(t, "Ask", err, ErrBudget, tc.words...)
							is(t, "Ask", err, assay.ErrUnavailable)
						}
					})
				}
				wg.Wait()
				spent := c.Spent()
				b := tc.budget
				if b.Money > 0 && spent.Cost > b.Money || b.DayMoney > 0 && spent.Cost > b.DayMoney ||
					b.Calls > 0 && spent.Calls > b.Calls || b.DayCalls > 0 && spent.Calls > b.DayCalls ||
					b.Tokens > 0 && spent.In+spent.Out > b.Tokens {
					t.Errorf("spent %+v, budget %+v", spent, b)
				}
				if spent.Calls < tc.least {
					t.Errorf("%d calls were made, %d had room at worst", spent.Calls, tc.least)
				}
				// The run ends when less is left than a call can take, not earlier.
				need := totals{1, worst.In + worst.Out, most}
				if c.run.account.exceeds(need, totals{}) == nil {
					t.Errorf("stopped at %+v though there was room", spent)
				}
				kept, err := ledger.Spent(t.Context(), time.Time{})
				must(t, err)
				same(t, "ledger", kept, spent)
				// What is kept costs nothing and is answered still.
				before := client.asked.Load()
				hits := 0
				for i := range 300 {
					if _, err := c.Ask(t.Context(), question(i+100)); err == nil {
						hits++
					}
				}
				same(t, "kept replies", int64(hits), spent.Calls)
				same(t, "asked for them", client.asked.Load(), before)
			})
		})
	}
}

// A new day brings a new day's budget, and a new run knows what the last one
// spent today.
func TestBudgetDays(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		client := using(0, func(Request) Usage { return Usage{In: 10, Out: 1} })
		ledger := MemoryLedger()
		now := time.Date(2026, 3, 4, 23, 0, 0, 0, time.FixedZone("there", 5*3600))
		opt := CallerOptions{Ledger: ledger, Budget: Budget{DayCalls: 2}, Now: func() time.Time { return now }}
		c := NewCaller(someone, client, opt)
		ask := func(i int) error {
			_, err := c.Ask(t.Context(), question(i))
			return err
		}
		must(t, ask(1))
		must(t, c.Close())
		c = NewCaller(someone, client, opt)
		must(t, ask(2))
		is(t, "the third today", ask(3), ErrBudget, "2 of 2")
		now = now.Add(time.Hour) // midnight there, 19:00 UTC
		must(t, ask(3))
		must(t, ask(4))
		is(t, "the third of the next day", ask(5), ErrBudget)
		must(t, c.Close())
	})
}

// A sending whose reply was lost, in this run or with an earlier process, counts
// at worst.
func TestBudgetCountsDoubt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ledger := MemoryLedger()
		must(t, ledger.BeginCalls(t.Context(), []assay.Call{{Key: assay.DigestOfText("x"), Judge: someone, MostTokens: 500, Begun: time.Now()}}))
		client := &asker{ask: func(context.Context, Request) (Reply, error) { return Reply{}, errors.New("EOF") }}
		u := worstTokens(someone, question(1))
		most := u.In + u.Out
		c := NewCaller(someone, client, CallerOptions{Ledger: ledger, Attempts: 9, Budget: Budget{DayTokens: 500 + 3*most + most/2}})
		_, err := c.Ask(t.Context(), question(1))
		is(t, "Ask", err, ErrBudget, fmt.Sprint(500+3*most, " of"))
		same(t, "sent", client.asked.Load(), int64(3))
		must(t, c.Close())
	})
}

// A server that does not count tokens is charged for at worst; one that takes
// more than the worst is believed the next time.
func TestBudgetLearns(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		u := worstTokens(someone, question(1))
		most := u.In + u.Out
		silent := using(0, func(Request) Usage { return Usage{} })
		c := NewCaller(someone, silent, CallerOptions{Budget: Budget{Tokens: 2 * most}})
		for i := range 2 {
			_, err := c.Ask(t.Context(), question(i))
			must(t, err)
		}
		_, err := c.Ask(t.Context(), question(3))
		is(t, "the third", err, ErrBudget)
		same(t, "spent", c.Spent(), assay.Spending{Calls: 2, DoubtTokens: 2 * most})
		must(t, c.Close())

		greedy := using(0, func(Request) Usage { return Usage{In: 3 * u.In, Out: u.Out} })
		c = NewCaller(someone, greedy, CallerOptions{Budget: Budget{Tokens: 10 * most}})
		var asked int
		for i := range 9 {
			if _, err = c.Ask(t.Context(), question(i)); err != nil {
				break
			}
			asked++
		}
		is(t, "Ask", err, ErrBudget)
		if s := c.Spent(); s.In+s.Out > 10*most || asked < 3 {
			t.Errorf("%d calls took %d tokens, budget %d", asked, s.In+s.Out, 10*most)
		}
		must(t, c.Close())
	})
}

// The published rules, for pictures of the sizes that are sent.
func TestImageTokens(t *testing.T) {
	for _, size := range [][2]int{{2, 2}, {512, 512}, {1024, 1024}, {1536, 1536}, {1536, 512}, {1536, 96}, {2048, 2048}, {1535, 1021}} {
		w, h := size[0], size[1]
		tiles := func(side int) int { return ceilDiv(w, side) * ceilDiv(h, side) }
		for rule, n := range map[string]int{
			"anthropic: pixels/750":           w * h / 750,
			"openai 4o: 85 + 170 a tile":      85 + 170*tiles(512), // before scaling down, which only lowers it
			"openai patches of 32, nano's":    int(2.46 * float64(tiles(32))),
			"gemini: 258 a tile of 768":       258 * max(tiles(768), 1),
			"qwen: 28 pixels":                 tiles(28),
			"pixtral: 16 pixels and row ends": tiles(16) + ceilDiv(h, 16),
			"llava-next":                      2880,
			"internvl":                        13 * 256,
		} {
			if got := imageTokens("m", w, h); got < n {
				t.Errorf("%d×%d: %d tokens at worst, but %s gives %d", w, h, got, rule, n)
			}
		}
	}
	same(t, "4o-mini, 1024×1024", imageTokens("gpt-4o-mini", 1024, 1024), 2833+4*5667)
	same(t, "4o-mini, 2048×768", imageTokens("gpt-4o-mini-2024", 2048, 768), 2833+8*5667)
	if imageTokens("m", 0, 0) < imageTokens("m", 1536, 1536) {
		t.Error("a picture of unknown size is taken for a small one")
	}
}

func TestCost(t *testing.T) {
	p := Price{In: 2, Cached: 0.5, Out: 8}
	same(t, "with a cache", p.Cost(Usage{In: 1e6, Cached: 4e5, Out: 1e5}), 1.2+0.2+0.8)
	p.Cached = 0
	same(t, "no price for the cache", p.Cost(Usage{In: 1e6, Cached: 4e5, Out: 1e5}), 2.8)
}

// A ledger that fails stops the run before more is paid for.
func TestLedgerFails(t *testing.T) {
	broken := errors.New("the disk is full")
	for name, tc := range map[string]struct {
		ledger failingLedger
		asked  int64
		says   string
	}{
		"looking up": {failingLedger{look: broken}, 0, "full"},
		"beginning":  {failingLedger{begin: broken}, 0, "full"},
		"ending":     {failingLedger{end: broken}, 1, "could not be kept"},
		"summing":    {failingLedger{sum: broken}, 0, "spent today"},
		"not JSON":   {failingLedger{reply: json.RawMessage(`{`)}, 0, "kept reply"},
	} {
		t.Run(name, func(t *testing.T) {
			client := using(0, func(Request) Usage { return Usage{In: 1, Out: 1} })
			tc.ledger.Ledger = MemoryLedger()
			c := NewCaller(someone, client, CallerOptions{Ledger: &tc.ledger, Budget: Budget{DayCalls: 5}})
			defer c.Close()
			_, err := c.Ask(t.Context(), question(1))
			if err == nil || tc.ledger.reply == nil && !errors.Is(err, broken) {
				t.Errorf("error %v", err)
			}
			if err != nil {
				is(t, "Ask", err, err, tc.says)
			}
			same(t, "asked", client.asked.Load(), tc.asked)
			if name == "ending" {
				same(t, "spent", c.Spent(), assay.Spending{InDoubt: 1, In: 1, Out: 1})
			}
		})
	}
}

type failingLedger struct {
	Ledger
	look, begin, end, sum error
	reply                 json.RawMessage
}

func (l *failingLedger) CallEnd(ctx context.Context, key assay.Digest) (assay.CallEnd, error) {
	if l.reply != nil {
		return assay.CallEnd{Key: key, Reply: l.reply}, nil
	}
	if l.look != nil {
		return assay.CallEnd{}, l.look
	}
	return l.Ledger.CallEnd(ctx, key)
}

func (l *failingLedger) BeginCalls(ctx context.Context, calls []assay.Call) error {
	if l.begin != nil {
		return l.begin
	}
	return l.Ledger.BeginCalls(ctx, calls)
}

func (l *failingLedger) EndCalls(ctx context.Context, ends []assay.CallEnd) error {
	if l.end != nil {
		return l.end
	}
	return l.Ledger.EndCalls(ctx, ends)
}

func (l *failingLedger) Spent(ctx context.Context, since time.Time) (assay.Spending, error) {
	if l.sum != nil {
		return assay.Spending{}, l.sum
	}
	return l.Ledger.Spent(ctx, since)
}
