package vlm

import (
	"cmp"
	"context"
	"fmt"
	"math"
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
// currency of the prices, and without a price nothing is spent.
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
var _ = []any{math.Inf, strings.Join, sync.Mutex{}, time.Time{}, context.Background}
