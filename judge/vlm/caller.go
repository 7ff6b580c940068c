package vlm

import (
	"cmp"
	"container/list"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/gen-emerge/assay"
)

// CallerOptions adjust a [Caller]. The zero CallerOptions asks eight requests at
// a time, without a limit, and remembers for as long as the process lasts.
type CallerOptions struct {
	Ledger      Ledger        // where calls and replies are kept; nil means a MemoryLedger
	Budget      Budget        // zero means no limit
	Price       Price         // zero means that nothing costs anything
	Concurrency int           // requests on the wire at once; 0 means 8
	Attempts    int           // of one call, the first included; 0 means 6
	Timeout     time.Duration // of one attempt; 0 means 2 minutes
	Grace       time.Duration // for which Close lets requests on the wire finish; 0 means 5 seconds

	// Progress is told what the run has spent, after every call, by one
	// goroutine at a time. It should be quick, and must not call the Caller.
	Progress func(assay.Spending)
	Log      *slog.Logger     // attempts made again, and what may have been lost; nil discards
	Now      func() time.Time // the time of calls, by which days begin; nil means time.Now

	// Beside is another Caller of the same run: both spend one budget and
	// write to one ledger, and keep one pace where endpoint and model are the
	// same. Ledger, Budget, Progress, Log and Now are then Beside's.
	Beside *Caller
}

// A Caller asks one model through a client, with a cache, a budget, a pace and
// retries around it. See [NewCaller]. Its methods are safe for use by many
// goroutines.
type Caller struct {
	judge       assay.Judge
	client      Asker
	price       Price
	concurrency int
	attempts    int
	timeout     time.Duration
	grace       time.Duration
	run         *run
	lane        *lane

	base context.Context // of every request; ends when Close has run out of patience
	kill context.CancelFunc
	busy sync.WaitGroup // workers

	mu      sync.Mutex
	flights map[assay.Digest]*flight
	queue   list.List // of flights that wait for a worker
	workers int
	closed  bool
	excess  excess
}

// A run is what the Callers beside each other share.
type run struct {
	scribe  *scribe
	account *account
	meter   *meter
	log     *slog.Logger
	now     func() time.Time

	mu    sync.Mutex
	lanes map[[2]string]*lane // by endpoint and model
}

// A flight is one call, whoever asked for it.
type flight struct {
	key  assay.Digest
	req  Request
	done chan struct{} // closed when reply and err are set

	reply Reply
	err   error

	// Guarded by the Caller's mu.
	waiters int
	queued  *list.Element // nil if it does not wait for a worker
	left    chan struct{} // closed when nobody waits or the Caller closes; nil before a worker has it
	looked  bool          // the ledger has no reply to it
}

var (
	errClosed = fmt.Errorf("the caller was closed: %w", assay.ErrUnavailable)
	errLeft   = errors.New("nobody waits for the reply any more")
)

// NewCaller returns a Caller that asks client as the judge j; client makes one
// attempt a call. It starts nothing before the first Ask. The caller must call
// [Caller.Close].
func NewCaller(j assay.Judge, client Asker, opt CallerOptions) *Caller {
	c := &Caller{
		judge: j, client: client, price: opt.Price,
		concurrency: max(cmp.Or(opt.Concurrency, 8), 1),
		attempts:    max(cmp.Or(opt.Attempts, 6), 1),
		timeout:     cmp.Or(opt.Timeout, 2*time.Minute),
		grace:       cmp.Or(opt.Grace, 5*time.Second),
		flights:     make(map[assay.Digest]*flight),
		excess:      excess{1, 1},
	}
	c.base, c.kill = context.WithCancel(context.Background())
	if opt.Beside != nil {
		c.run = opt.Beside.run
	} else {
		c.run = newRun(opt)
	}
	c.lane = c.run.laneOf(j)
	c.lane.widen(c.concurrency)
	return c
}

func newRun(opt CallerOptions) *run {
	if opt.Ledger == nil {
		opt.Ledger = MemoryLedger()
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &run{
		scribe:  &scribe{ledger: opt.Ledger},
		account: newAccount(opt.Budget, opt.Ledger, opt.Now),
		meter:   &meter{tell: opt.Progress, open: make(map[assay.Digest]bool)},
		log:     opt.Log, now: opt.Now,
		lanes: make(map[[2]string]*lane),
	}
}

func (r *run) laneOf(j assay.Judge) *lane {
	r.mu.Lock()
	defer r.mu.Unlock()
	where := [2]string{j.Endpoint, j.Model}
	if r.lanes[where] == nil {
		r.lanes[where] = newLane()
	}
	return r.lanes[where]
}

// Ask returns the reply to r: from the ledger if it is there, else from the
// model. A request that is being asked already is not asked twice. The reply may
// be shared with others and must not be changed.
//
// Before a request is sent it stands in the ledger, and its reply does before
// Ask returns. What fails for a time (too many requests, an overloaded or
// failing server, a lost connection, a time-out) is asked again, after as long
// as the server says or twice as long each time; what the server will never
// accept, and what failed at the last attempt, is an error, and asked anew the
// next time. Errors wrap the client's; an error wrapping [ErrBudget] means that
// the budget allows no such call, one wrapping [assay.ErrUnavailable] that the
// same call may succeed later.
//
// When ctx ends, Ask returns at once. A request on the wire that nobody waits
// for is let finish, since it is paid for, and its reply kept; one that is not
// is given up.
func (c *Caller) Ask(ctx context.Context, r Request) (Reply, error) {
	if ctx.Err() != nil {
		return Reply{}, context.Cause(ctx)
	}
	key := Key(c.judge, r)
	f, first := c.join(key, r)
	if f == nil {
		return Reply{}, errClosed
	}
	if first {
		reply, err := c.lookUp(ctx, key)
		if err == nil || (!errors.Is(err, assay.ErrNotFound) && ctx.Err() == nil) {
			c.finish(f, reply, err)
			return reply, err
		}
		c.enqueue(f, ctx.Err() == nil)
	}
	select {
	case <-f.done:
		return f.reply, f.err
	case <-ctx.Done():
		c.leave(f)
		return Reply{}, context.Cause(ctx)
	}
}

// lookUp returns the reply that is in the ledger, or an error wrapping
// [assay.ErrNotFound] if there is none.
func (c *Caller) lookUp(ctx context.Context, key assay.Digest) (Reply, error) {
	end, err := c.run.scribe.ledger.CallEnd(ctx, key)
	if err != nil {
		return Reply{}, err
	}
	if end.Reply == nil { // it failed the last time
		return Reply{}, assay.ErrNotFound
	}
	var reply Reply
	if err := json.Unmarshal(end.Reply, &reply); err != nil {
		return Reply{}, fmt.Errorf("the kept reply to call %s: %w: %w", key.Short(), err, assay.ErrInvalid)
	}
	return reply, nil
}

// Spent returns what this Caller and those beside it have spent since they were
// made. Replies from the ledger cost nothing.
func (c *Caller) Spent() assay.Spending { return c.run.meter.spent() }

// Close ends what waits with an error wrapping [assay.ErrUnavailable], lets
// requests on the wire finish for the grace period, then cuts them off, and
// returns when nothing is left running. Ask returns an error from then on. The
// ledger is not closed. Close may be called at any time and more than once; its
// error is always nil.
func (c *Caller) Close() error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		for e := c.queue.Front(); e != nil; e = c.queue.Front() {
			f := c.queue.Remove(e).(*flight)
			c.land(f, Reply{}, errClosed)
		}
		for _, f := range c.flights {
			if f.left != nil && f.waiters > 0 {
				close(f.left)
			}
		}
	}
	c.mu.Unlock()
	patience := time.AfterFunc(c.grace, c.kill)
	c.busy.Wait()
	patience.Stop()
	c.kill()
	return nil
}
