package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/gen-emerge/assay"
)

// PutGrid appends the shape of a series' archive, which rules from now on, and
// returns its number. A grid has two to four axes with different descriptors,
// at least one cell each and finite bounds in order; anything else is an error
// wrapping [assay.ErrInvalid].
func (db *DB) PutGrid(ctx context.Context, g assay.GridSpec) (int64, error) {
	if err := checkGrid(g); err != nil {
		return 0, err
	}
	var id int64
	err := db.write(ctx, func(t *tx) error {
		series, err := t.seriesID(g.Series)
		if err != nil {
			return err
		}
		id, err = t.number(`INSERT INTO grid (series, reason, created) VALUES ($1, $2, $3) RETURNING id`,
			series, g.Reason, t.at(g.Created))
		if err != nil {
			return err
		}
		for i, a := range g.Axes {
			if _, err := t.exec(`INSERT INTO grid_axis (grid, ord, descriptor, lo, hi, cells) VALUES ($1, $2, $3, $4, $5, $6)`,
				id, i, a.Descriptor, a.Lo, a.Hi, a.Cells); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return id, nil
}

func checkGrid(g assay.GridSpec) error {
	if len(g.Axes) < 2 || len(g.Axes) > 4 {
		return fmt.Errorf("grid of %d axes, want 2 to 4: %w", len(g.Axes), assay.ErrInvalid)
	}
	named := make(map[string]bool)
	for _, a := range g.Axes {
		if a.Descriptor == "" || named[a.Descriptor] {
			return fmt.Errorf("grid axis %q: the descriptor is empty or named twice: %w", a.Descriptor, assay.ErrInvalid)
		}
		named[a.Descriptor] = true
		for _, bound := range []float64{a.Lo, a.Hi} {
			if err := finite("bound of grid axis "+a.Descriptor, bound); err != nil {
				return err
			}
		}
		if a.Lo >= a.Hi || a.Cells < 1 {
			return fmt.Errorf("grid axis %s: %d cells from %g to %g: %w", a.Descriptor, a.Cells, a.Lo, a.Hi, assay.ErrInvalid)
		}
	}
	return nil
}

// Grid returns the newest grid of the series, or an error wrapping
// [assay.ErrNotFound] if it has none.
func (db *DB) Grid(ctx context.Context, series string) (assay.GridSpec, error) {
	all, err := db.grids(ctx, series, `g.id = (SELECT max(id) FROM grid WHERE series = $1)`)
	if err != nil {
		return assay.GridSpec{}, err
	}
	if len(all) == 0 {
		return assay.GridSpec{}, fmt.Errorf("grid of series %q: %w", series, assay.ErrNotFound)
	}
	return all[0], nil
}

// Grids returns all grids that the series has had, oldest first.
func (db *DB) Grids(ctx context.Context, series string) ([]assay.GridSpec, error) {
	return db.grids(ctx, series, `g.series = $1`)
}

func (db *DB) grids(ctx context.Context, series, where string) ([]assay.GridSpec, error) {
	id, err := db.seriesID(ctx, series)
	if err != nil {
		return nil, err
	}
	var all []assay.GridSpec
	_, err = list(ctx, db, func(rows *sql.Rows) (none struct{}, err error) {
		g := assay.GridSpec{Series: series}
		var a assay.Axis
		err = rows.Scan(&g.ID, &g.Reason, (*instant)(&g.Created), &a.Descriptor, &a.Lo, &a.Hi, &a.Cells)
		if len(all) == 0 || all[len(all)-1].ID != g.ID {
			all = append(all, g)
		}
		last := &all[len(all)-1]
		last.Axes = append(last.Axes, a)
		return none, err
	}, `SELECT g.id, g.reason, g.created, a.descriptor, a.lo, a.hi, a.cells
		FROM grid g JOIN grid_axis a ON a.grid = g.id WHERE `+where+` ORDER BY g.id, a.ord`, id)
	return all, err
}

// PutDecisions appends decisions in one transaction. The first one of an entry
// and a basis stands: putting another is a no-op. The image must be the one at
// that place, the incumbent in the series and the placement known, else the
// error wraps [assay.ErrInvalid].
func (db *DB) PutDecisions(ctx context.Context, decisions []assay.Decision) error {
	return db.write(ctx, func(t *tx) error {
		for _, d := range decisions {
			if err := t.putDecision(d); err != nil {
				return fmt.Errorf("decision on %s/%d: %w", d.Series, d.Seq, err)
			}
		}
		return nil
	})
}

func (t *tx) putDecision(d assay.Decision) error {
	switch d.Placement {
	case assay.Added, assay.Improved, assay.Challenger, assay.Refused, assay.Unplaced:
	default:
		return fmt.Errorf("placement %q is unknown: %w", d.Placement, assay.ErrInvalid)
	}
	series, num, err := t.entryOf(d.Series, d.Image)
	if err != nil {
		return err
	}
	seq, err := t.number(`SELECT seq FROM entry WHERE series = $1 AND image = $2`, series, num)
	if err != nil {
		return err
	}
	if seq != d.Seq {
		return fmt.Errorf("image %s is at place %d: %w", d.Image, seq, assay.ErrInvalid)
	}
	var incumbent, cell any
	if !d.Incumbent.IsZero() {
		_, met, err := t.entryOf(d.Series, d.Incumbent)
		if err != nil {
			return fmt.Errorf("incumbent: %w", err)
		}
		incumbent = met
	}
	if d.Cell != nil {
		text, err := json.Marshal(d.Cell)
		if err != nil {
			return err
		}
		cell = string(text)
	}
	gates, err := json.Marshal(d.Gates) // fails on numbers that are not finite
	if err != nil {
		return fmt.Errorf("gates: %w: %w", err, assay.ErrInvalid)
	}
	_, err = t.exec(`INSERT INTO decision (series, seq, image, placement, cell, incumbent, gates, basis, created)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`,
		series, d.Seq, num, string(d.Placement), cell, incumbent, string(gates), d.Basis, t.at(d.Created))
	return err
}

// Decisions returns all decisions on the image in the series, oldest first;
// none is no error.
func (db *DB) Decisions(ctx context.Context, series string, image assay.Digest) ([]assay.Decision, error) {
	id, err := db.seriesID(ctx, series)
	if err != nil {
		return nil, err
	}
	return list(ctx, db, func(rows *sql.Rows) (assay.Decision, error) {
		d := assay.Decision{Series: series, Image: image}
		var cell sql.NullString
		var gates string
		err := rows.Scan(&d.Seq, &d.Placement, &cell, (*digest)(&d.Incumbent), &gates, &d.Basis, (*instant)(&d.Created))
		if err != nil {
			return d, err
		}
		err = json.Unmarshal([]byte(gates), &d.Gates)
		if err == nil && cell.Valid {
			err = json.Unmarshal([]byte(cell.String), &d.Cell)
		}
		if err != nil {
			return d, &CorruptError{Table: "decision", Key: fmt.Sprintf("%s/%d %s", series, d.Seq, d.Basis), Err: err}
		}
		return d, nil
	}, `SELECT d.seq, d.placement, d.cell, f.id, d.gates, d.basis, d.created
		FROM image i JOIN entry e ON e.image = i.num JOIN decision d ON d.series = e.series AND d.seq = e.seq
		LEFT JOIN image f ON f.num = d.incumbent
		WHERE e.series = $1 AND i.id = $2 ORDER BY d.id`, id, image[:])
}
