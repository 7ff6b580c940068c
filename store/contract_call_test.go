package store

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/gen-emerge/assay"
)

var model = assay.Judge{Name: "local", API: "openai", Endpoint: "http://localhost:8000/v1/", Model: "qwen", Family: "qwen", Protocol: 1}

// callKey is the name of a made-up call.
func callKey(n int) assay.Digest { return assay.DigestOfText(fmt.Sprint("call ", n)) }

func call(n int) assay.Call {
	return assay.Call{Key: callKey(n), Judge: model, MostTokens: 1000, MostCost: 0.25, Begun: epoch.Add(time.Duration(n) * time.Second)}
}

func callEnd(n int) assay.CallEnd {
	return assay.CallEnd{Key: callKey(n), Reply: json.RawMessage(`{"text": "yes"}`), Attempts: 2, In: 100, Out: 7, Cached: 60, Cost: 0.125,
		Latency: 1234567, Ended: epoch.Add(time.Duration(n) * time.Minute)}
}

func testCalls(t *testing.T, db *DB) {
	ctx := t.Context()
	begin := func(calls ...assay.Call) { t.Helper(); must(t, db.BeginCalls(ctx, calls)) }
	end := func(ends ...assay.CallEnd) { t.Helper(); must(t, db.EndCalls(ctx, ends)) }
	doubt := func(what string, want ...assay.Call) {
		t.Helper()
		got, err := db.CallsInDoubt(ctx)
		must(t, err)
		same(t, "in doubt "+what, got, want)
	}
	reads := func(what string, key assay.Digest, want assay.CallEnd) {
		t.Helper()
		got, err := db.CallEnd(ctx, key)
		must(t, err)
		same(t, what, got, want)
	}
	doubt("at the start")
	other := call(2)
	other.Judge.Protocol, other.MostTokens, other.MostCost = 2, 0, 0
	begin(call(1), other, call(3))
	doubt("after three begins", call(1), other, call(3))
	_, err := db.CallEnd(ctx, callKey(1))
	is(t, "a call in doubt", err, assay.ErrNotFound)
	_, err = db.CallEnd(ctx, callKey(9))
	is(t, "an unknown call", err, assay.ErrNotFound)

	failed := assay.CallEnd{Key: callKey(3), Error: "400: no such picture\x00é", Attempts: 1, Ended: epoch}
	end(callEnd(1), failed)
	reads("a reply", callKey(1), callEnd(1))
	reads("a failure", callKey(3), failed)
	doubt("after two ends", other)
	end(callEnd(1)) // is there already
	is(t, "another end", db.EndCalls(ctx, []assay.CallEnd{{Key: callKey(1), Error: "x"}}), assay.ErrConflict, callKey(1).Short())
	is(t, "never begun", db.EndCalls(ctx, []assay.CallEnd{callEnd(2), callEnd(9)}), assay.ErrNotFound, callKey(9).Short())
	doubt("after an end that came with a wrong one", other)

	// What failed is asked anew, what was lost sent again.
	begin(call(3), other)
	doubt("begun again", call(3), other)
	reads("the failure still", callKey(3), failed)
	end(callEnd(3), callEnd(2))
	reads("the reply", callKey(3), callEnd(3))
	doubt("after the second ends")
	begin(call(3))
	failed.Error = "later"
	end(failed)
	reads("the reply, though it failed later", callKey(3), callEnd(3))

	// Two processes that ask the same.
	begin(call(4))
	begin(call(4))
	end(callEnd(4))
	doubt("one of two has ended")
	end(callEnd(4)) // the other's: it was paid for too
	spent := func(since time.Time) assay.Spending {
		t.Helper()
		s, err := db.Spent(ctx, since)
		must(t, err)
		return s
	}
	// Ends: 1 at 1 min, 3 failed at 0 twice, 2 and 3 at 2 and 3 min, 4 twice at
	// 4 min. The first sending of call 2 has none.
	same(t, "spent", spent(time.Time{}), assay.Spending{Calls: 7, In: 500, Out: 35, Cost: 0.625})
	same(t, "spent since the third minute", spent(epoch.Add(3*time.Minute)), assay.Spending{Calls: 3, In: 300, Out: 21, Cost: 0.375})
	begin(call(5))
	same(t, "one lost, one under way", spent(time.Time{}), assay.Spending{Calls: 7, InDoubt: 1, In: 500, Out: 35, Cost: 0.625, DoubtTokens: 1000, DoubtCost: 0.25})
	begin(call(5))
	same(t, "the same sent again", spent(epoch.Add(3*time.Second)), assay.Spending{Calls: 5, InDoubt: 1, In: 500, Out: 35, Cost: 0.625, DoubtTokens: 2000, DoubtCost: 0.5})
	same(t, "spent after all", spent(epoch.Add(time.Hour)), assay.Spending{})

	// What carries no time gets the database's.
	begin(assay.Call{Key: callKey(6), Judge: model})
	end(assay.CallEnd{Key: callKey(6), Reply: json.RawMessage("null")})
	reads("an end without a time", callKey(6), assay.CallEnd{Key: callKey(6), Reply: json.RawMessage("null"), Ended: epoch})
}

func testCallRefused(t *testing.T, db *DB) {
	ctx := t.Context()
	for name, change := range map[string]func(*assay.Call){
		"no key":        func(c *assay.Call) { c.Key = assay.Digest{} },
		"no judge":      func(c *assay.Call) { c.Judge = assay.Judge{} },
		"no model":      func(c *assay.Call) { c.Judge.Model = "" },
		"protocol":      func(c *assay.Call) { c.Judge.Protocol = -1 },
		"tokens":        func(c *assay.Call) { c.MostTokens = -1 },
		"cost":          func(c *assay.Call) { c.MostCost = -1 },
		"cost NaN":      func(c *assay.Call) { c.MostCost = math.NaN() },
		"cost infinite": func(c *assay.Call) { c.MostCost = math.Inf(1) },
	} {
		bad := call(2)
		change(&bad)
		is(t, name, db.BeginCalls(ctx, []assay.Call{call(1), bad}), assay.ErrInvalid, bad.Key.Short())
	}
	open, err := db.CallsInDoubt(ctx)
	must(t, err)
	same(t, "begun beside a wrong one", open, []assay.Call(nil))
	must(t, db.BeginCalls(ctx, []assay.Call{call(1)}))
	for name, change := range map[string]func(*assay.CallEnd){
		"neither reply nor error": func(e *assay.CallEnd) { e.Reply = nil },
		"both":                    func(e *assay.CallEnd) { e.Error = "x" },
		"not JSON":                func(e *assay.CallEnd) { e.Reply = json.RawMessage(`{"text"`) },
		"empty reply":             func(e *assay.CallEnd) { e.Reply = json.RawMessage{} },
		"attempts":                func(e *assay.CallEnd) { e.Attempts = -1 },
		"sent":                    func(e *assay.CallEnd) { e.In = -1 },
		"received":                func(e *assay.CallEnd) { e.Out = -1 },
		"cached":                  func(e *assay.CallEnd) { e.Cached = -1 },
		"more cached than sent":   func(e *assay.CallEnd) { e.Cached = e.In + 1 },
		"cost":                    func(e *assay.CallEnd) { e.Cost = math.NaN() },
		"latency":                 func(e *assay.CallEnd) { e.Latency = -1 },
	} {
		bad := callEnd(1)
		change(&bad)
		is(t, name, db.EndCalls(ctx, []assay.CallEnd{bad}), assay.ErrInvalid, bad.Key.Short())
	}
	_, err = db.CallEnd(ctx, callKey(1))
	is(t, "after wrong ends", err, assay.ErrNotFound)
}
