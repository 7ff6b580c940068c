package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/gen-emerge/assay"
)

// BeginCalls enters calls that are about to be sent, in one transaction. A key
// that is there already gets another row: it is sent once more. Keys must name
// something, judges be named, and what a call takes at worst be finite and not
// negative; anything else is an error wrapping [assay.ErrInvalid].
func (db *DB) BeginCalls(ctx context.Context, calls []assay.Call) error {
	for _, c := range calls {
		if err := checkCall(c); err != nil {
			return fmt.Errorf("call %s: %w", c.Key.Short(), err)
		}
	}
	return db.write(ctx, func(t *tx) error {
		for _, c := range calls {
			judge, err := t.judgeID(c.Judge)
			if err == nil {
				_, err = t.exec(`INSERT INTO call (key, judge, most_tokens, most_cost, begun) VALUES ($1, $2, $3, $4, $5)`,
					c.Key[:], judge, c.MostTokens, c.MostCost, t.at(c.Begun))
			}
			if err != nil {
				return fmt.Errorf("call %s: %w", c.Key.Short(), err)
			}
		}
		return nil
	})
}

func checkCall(c assay.Call) error {
	if c.Key.IsZero() {
		return fmt.Errorf("the key names nothing: %w", assay.ErrInvalid)
	}
	if c.MostTokens < 0 {
		return fmt.Errorf("%d tokens at worst: want 0 or more: %w", c.MostTokens, assay.ErrInvalid)
	}
	return amount("cost at worst", c.MostCost)
}

// amount refuses what cannot be a sum of money.
func amount(what string, v float64) error {
	if !(v >= 0 && v <= math.MaxFloat64) { // written so that NaN fails
		return fmt.Errorf("%s is %g: want a finite number of 0 or more: %w", what, v, assay.ErrInvalid)
	}
	return nil
}

// EndCalls enters what became of calls, in one transaction. An end belongs to
// the newest row of its key that has none; without such a row, saying again
// what was said last is a no-op, saying something else an error wrapping
// [assay.ErrConflict]. A key that was never begun is an error wrapping
// [assay.ErrNotFound]. An end has a reply, which must be JSON, or an error;
// anything else is an error wrapping [assay.ErrInvalid].
func (db *DB) EndCalls(ctx context.Context, ends []assay.CallEnd) error {
	for _, e := range ends {
		if err := checkEnd(e); err != nil {
			return fmt.Errorf("end of call %s: %w", e.Key.Short(), err)
		}
	}
	return db.write(ctx, func(t *tx) error {
		for _, e := range ends {
			if err := t.endCall(e); err != nil {
				return fmt.Errorf("end of call %s: %w", e.Key.Short(), err)
			}
		}
		return nil
	})
}

func checkEnd(e assay.CallEnd) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf(format+": %w", append(args, assay.ErrInvalid)...)
	}
	switch {
	case (e.Reply == nil) == (e.Error == ""):
		return bad("want a reply or an error, and not both")
	case e.Reply != nil && !json.Valid(e.Reply):
		return bad("the reply of %d bytes is not JSON", len(e.Reply))
	case e.Attempts < 0:
		return bad("%d attempts", e.Attempts)
	case e.In < 0 || e.Out < 0 || e.Cached < 0 || e.Cached > e.In:
		return bad("tokens: %d sent, %d of them cached, %d received", e.In, e.Cached, e.Out)
	case e.Latency < 0:
		return bad("latency %s is negative", e.Latency)
	}
	return amount("cost", e.Cost)
}

func (t *tx) endCall(e assay.CallEnd) error {
	call, err := t.number(`SELECT c.id FROM call c WHERE c.key = $1
		AND NOT EXISTS (SELECT 1 FROM call_end e WHERE e.call = c.id) ORDER BY c.id DESC LIMIT 1`, e.Key[:])
	if errors.Is(err, sql.ErrNoRows) {
		return t.endedAlready(e)
	}
	if err != nil {
		return err
	}
	var reply, failure any
	if e.Reply != nil {
		reply = string(e.Reply)
	} else {
		failure = e.Error
	}
	_, err = t.exec(`INSERT INTO call_end (call, reply, error, attempts, sent, received, cached, cost, latency, ended)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		call, reply, failure, e.Attempts, e.In, e.Out, e.Cached, e.Cost, int64(e.Latency), t.at(e.Ended))
	return err
}

// endedAlready returns nil if the newest end of the call says what e says.
func (t *tx) endedAlready(e assay.CallEnd) error {
	s, err := t.stmt(`SELECT coalesce(e.reply, ''), coalesce(e.error, '') FROM call c JOIN call_end e ON e.call = c.id
		WHERE c.key = $1 ORDER BY c.id DESC LIMIT 1`)
	if err != nil {
		return err
	}
	var reply, failure string
	err = s.QueryRow(e.Key[:]).Scan(&reply, &failure)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("it was never begun: %w", assay.ErrNotFound)
	case err == nil && (reply != string(e.Reply) || failure != e.Error):
		return fmt.Errorf("it has ended, and otherwise: %w", assay.ErrConflict)
	}
	return err
}

// CallEnd returns the newest reply to the call, or if there is none why it
// failed last. A call that was never begun, or is in doubt, is an error wrapping
// [assay.ErrNotFound].
func (db *DB) CallEnd(ctx context.Context, key assay.Digest) (assay.CallEnd, error) {
	e := assay.CallEnd{Key: key}
	var reply sql.NullString
	var latency int64
	err := db.reader.QueryRowContext(ctx, `SELECT e.reply, coalesce(e.error, ''), e.attempts, e.sent, e.received, e.cached, e.cost, e.latency, e.ended
		FROM call c JOIN call_end e ON e.call = c.id WHERE c.key = $1 ORDER BY e.reply IS NOT NULL DESC, c.id DESC LIMIT 1`, key[:]).
		Scan(&reply, &e.Error, &e.Attempts, &e.In, &e.Out, &e.Cached, &e.Cost, &latency, (*instant)(&e.Ended))
	if errors.Is(err, sql.ErrNoRows) {
		return assay.CallEnd{}, fmt.Errorf("end of call %s: %w", key.Short(), assay.ErrNotFound)
	}
	if err != nil {
		return assay.CallEnd{}, db.explain(err)
	}
	if reply.Valid {
		e.Reply = json.RawMessage(reply.String)
	}
	e.Latency = time.Duration(latency)
	return e, nil
}

// CallsInDoubt returns the calls whose newest row has no end, in the order in
// which they were begun: they were sent, or were about to be, and may have been
// paid for. A process that is at work has some at any moment.
func (db *DB) CallsInDoubt(ctx context.Context) ([]assay.Call, error) {
	return list(ctx, db, func(rows *sql.Rows) (c assay.Call, err error) {
		err = rows.Scan(append(judgeFields(&c.Judge), (*digest)(&c.Key), &c.MostTokens, &c.MostCost, (*instant)(&c.Begun))...)
		return c, err
	}, `SELECT `+judgeColumns+`, c.key, c.most_tokens, c.most_cost, c.begun
		FROM call c JOIN judge j ON j.id = c.judge WHERE `+inDoubt+` ORDER BY c.id`)
}

// inDoubt is true of a row c of call that is the newest of its key and has no end.
const inDoubt = `NOT EXISTS (SELECT 1 FROM call_end e WHERE e.call = c.id)
	AND NOT EXISTS (SELECT 1 FROM call n WHERE n.key = c.key AND n.id > c.id)`

// Spent returns what calls took that ended at the time since or later, and how
// many that were begun then are in doubt. The zero time sums over all.
func (db *DB) Spent(ctx context.Context, since time.Time) (assay.Spending, error) {
	var from int64
	if !since.IsZero() {
		from = micros(since)
	}
	var s assay.Spending
	err := db.reader.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(sent), 0), coalesce(sum(received), 0), coalesce(sum(cost), 0.0)
		FROM call_end WHERE ended >= $1`, from).Scan(&s.Calls, &s.In, &s.Out, &s.Cost)
	if err == nil {
		err = db.reader.QueryRowContext(ctx, `SELECT count(*) FILTER (WHERE `+inDoubt+`), coalesce(sum(c.most_tokens), 0), coalesce(sum(c.most_cost), 0.0)
			FROM call c WHERE c.begun >= $1 AND NOT EXISTS (SELECT 1 FROM call_end e WHERE e.call = c.id)`, from).
			Scan(&s.InDoubt, &s.DoubtTokens, &s.DoubtCost)
	}
	return s, db.explain(err)
}
