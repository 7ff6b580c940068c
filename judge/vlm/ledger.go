package vlm

import (
	"context"
	"time"

	"github.com/gen-emerge/assay"
)

// A Ledger keeps calls and what became of them. A method that returns without
// error has its facts kept for good. Implementations are safe for use by many
// goroutines. store.DB is one, [MemoryLedger] another.
type Ledger interface {
	// CallEnd returns the newest reply to the call, or if there is none why it
	// failed last, or an error wrapping [assay.ErrNotFound].
	CallEnd(ctx context.Context, key assay.Digest) (assay.CallEnd, error)
	// BeginCalls enters calls that are about to be sent, all or none. A key
	// that is there already is entered once more.
	BeginCalls(ctx context.Context, calls []assay.Call) error
	// EndCalls enters what became of calls, all or none.
	EndCalls(ctx context.Context, ends []assay.CallEnd) error
	// CallsInDoubt returns the calls that were begun and have not ended, each
	// as it was begun last.
	CallsInDoubt(ctx context.Context) ([]assay.Call, error)
	// Spent sums over the calls that ended at the time since or later, and
	// those in doubt that were begun then.
	Spent(ctx context.Context, since time.Time) (assay.Spending, error)
}

// MemoryLedger returns a ledger that lasts as long as the process.
func MemoryLedger() Ledger { return nil }
