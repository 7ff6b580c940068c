package vlm

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/gen-emerge/assay"
)

// CallerOptions adjust a [Caller]. The zero CallerOptions asks eight requests at
// a time, without a limit, and remembers for as long as the process lasts.
type CallerOptions struct {
	Ledger      Ledger        // where calls and replies are kept; nil means a MemoryLedger
	Budget      Budget        // zero means no limit
	Price       Price         // zero means that nothing costs anything
	Concurrency int           // requests on the wire at once, 1 to 1024; 0 means 8
	Attempts    int           // of one call, the first included; 0 means 6
	Timeout     time.Duration // of one attempt; 0 means 2 minutes
	Grace       time.Duration // for which Close lets requests on the wire finish; 0 means 5 seconds

	Progress func(assay.Spending) // is told what this run has spent, after every call, by one goroutine at a time; it must not call the Caller
	Log      *slog.Logger         // retries and what was lost; nil discards
	Now      func() time.Time     // the time of calls, by which days begin; nil means time.Now

	// Beside is another Caller of the same run: both spend one budget and
	// write to one ledger, and keep one pace where endpoint and model are the
	// same. Ledger, Budget, Progress, Log and Now are then Beside's.
	Beside *Caller
}

// A Caller asks one model through a client, with a cache, a budget, a pace and
// retries around it. See [NewCaller].
type Caller struct{}

// NewCaller returns a Caller that asks client as the judge j. The caller must
// call [Caller.Close].
func NewCaller(j assay.Judge, client Asker, opt CallerOptions) *Caller { return &Caller{} }

// Ask returns the reply to r. [Caller] is an [Asker].
func (c *Caller) Ask(ctx context.Context, r Request) (Reply, error) {
	return Reply{}, fmt.Errorf("not yet: %w", assay.ErrUnavailable)
}

// Spent returns what this Caller and those beside it have spent so far.
func (c *Caller) Spent() assay.Spending { return assay.Spending{} }

// Close ends the Caller.
func (c *Caller) Close() error { return nil }
