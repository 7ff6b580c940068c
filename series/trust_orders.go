package series

import (
	"context"
	"errors"
	"fmt"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/stat"
)

// leastOrdered is how many images of a round an instrument must have read for the
// round to say anything of it.
const leastOrdered = 3

// orders holds each instrument that has a better direction against the rater's
// ranking rounds.
func (t *trusting) orders(ctx context.Context) ([]OrderRow, error) {
	out := []OrderRow{}
	if len(t.ranked) == 0 {
		return out, nil
	}
	for _, r := range t.readers() {
		if r.spec.Better == metric.Descriptor {
			continue
		}
		row, err := t.order(ctx, r)
		if err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, nil
}

func (t *trusting) order(ctx context.Context, r reader) (OrderRow, error) {
	row := OrderRow{Name: r.spec.Name}
	sign := 1.0
	if r.spec.Better == metric.LowerIsBetter {
		sign = -1
	}
	var rounds []stat.Paired
	for _, order := range t.ranked {
		var p stat.Paired
		for at, id := range order {
			if v, ok := t.value(id, r.id); ok {
				p.X, p.Y = append(p.X, float64(-at)), append(p.Y, sign*v)
			}
		}
		if len(p.X) >= leastOrdered {
			rounds = append(rounds, p)
		}
	}
	if row.Rounds = len(rounds); row.Rounds < 2 {
		row.Reason = fmt.Sprintf("%s; two at least are pooled", counted(row.Rounds, "round", "rounds"))
		return row, nil
	}
	tau, err := stat.PooledKendall(ctx, rounds, stat.BootstrapOptions{Seed: 1})
	if errors.Is(err, assay.ErrInvalid) || errors.Is(err, assay.ErrUnavailable) {
		row.Reason = err.Error()
		return row, nil
	}
	if err != nil {
		return row, err
	}
	row.Tau, row.Low, row.High, row.Pairs = &tau.Value, tau.Interval.Lo, tau.Interval.Hi, tau.Pairs
	if len(tau.Warnings) > 0 {
		row.Reason = errors.Join(tau.Warnings...).Error()
	}
	return row, nil
}
