package web

import (
	"fmt"
	"net/http"

	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/taste"
)

// A trustPage has every evaluator beside the visitor's own comparisons.
type trustPage struct {
	frame
	Table *series.TrustTable
	Known []trustRow // that have decided some of the visitor's pairs, or may decide
	Mute  []trustRow // the rest
}

type trustRow struct {
	series.TrustRow
	Class string // of the agreement: against a coin
}

// Agrees writes the agreement; a dash if it was not measured.
func (r trustRow) Agrees() string {
	if r.Agreement == nil {
		return "–"
	}
	return fmt.Sprintf("%.2f", *r.Agreement)
}

func (st *site) trustPage(w http.ResponseWriter, r *http.Request) error {
	table, err := st.series.TrustTable(r.Context(), st.rater(r.Context()))
	if err != nil {
		return err
	}
	p := trustPage{frame: st.frame(r.Context(), "Trust", "trust"), Table: table}
	for _, row := range table.Rows {
		t := trustRow{row, "unsure"}
		switch {
		case row.Agreement == nil:
			t.Class = "none"
		case row.Low > 0.5:
			t.Class = "pass"
		case row.High < 0.5 || row.Drifted:
			t.Class = "fail"
		}
		if row.N > 0 || len(row.Decides) > 0 {
			p.Known = append(p.Known, t)
		} else {
			p.Mute = append(p.Mute, t)
		}
	}
	return st.look.write(w, http.StatusOK, "trust.html", p)
}

func (st *site) trustJSON(w http.ResponseWriter, r *http.Request) error {
	table, err := st.series.TrustTable(r.Context(), st.rater(r.Context()))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, table)
	return nil
}

// A compassPage says where the visitor's taste points.
type compassPage struct {
	frame
	Compass           *taste.Compass
	Pointing, Unclear []taste.Direction
}

func (st *site) compassPage(w http.ResponseWriter, r *http.Request) error {
	c, err := st.series.Compass(r.Context(), st.rater(r.Context()))
	if err != nil {
		return err
	}
	p := compassPage{frame: st.frame(r.Context(), "Compass", "compass"), Compass: c}
	for _, d := range c.Directions {
		if d.Toward == taste.Undecided {
			p.Unclear = append(p.Unclear, d)
		} else {
			p.Pointing = append(p.Pointing, d)
		}
	}
	return st.look.write(w, http.StatusOK, "compass.html", p)
}

func (st *site) compassJSON(w http.ResponseWriter, r *http.Request) error {
	c, err := st.series.Compass(r.Context(), st.rater(r.Context()))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, c)
	return nil
}
