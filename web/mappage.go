package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/archive"
	"github.com/gen-emerge/assay/series"
)

const (
	refusedShown   = 36 // thumbnails of refused images on the map page
	contestedShown = 12 // cells with challengers listed below the map
	waitingShown   = 4  // challengers shown of each
)

// A mapPage is the map with all that stands around it.
type mapPage struct {
	frame
	Entered               int64
	Measured, Challengers int
	Unmeasured            bool
	Stats                 archive.Stats
	Clamped               []clampNote
	Reason                string // where the grid's bounds come from
	Grid                  gridView
	Gates                 []gateRow
	Unplaced              int
	Asked                 bool // an axis stands on answers

	Refused      []refusedView
	RefusedAll   int
	RefusedMore  int
	Contested    []contest
	ContestCells int
}

// A clampNote says that an axis's bounds leave images outside.
type clampNote struct {
	Descriptor string
	Low, High  int
	Lo, Hi     float64
}

// A gateRow is one gate's rule and the evidence it rests on.
type gateRow struct {
	Gate, Instrument, Unit, Fails string
	Value                         float64
	Mode                          assay.GateMode
	Source, Reason                string
	Ruled                         bool // false: no threshold yet, Reason says why
}

type refusedView struct {
	Image        assay.Digest
	Seq          int64
	Gate, Reason string
}

// A contest is a cell where challengers wait.
type contest struct {
	URL, Label string
	Elite      archive.Member
	Waiting    []archive.Challenger
	More       int
}

func (st *site) mapPage(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	view, err := st.series.View(ctx)
	if err != nil {
		return err
	}
	p := mapPage{frame: st.frame(ctx, "Map", "map"), Measured: view.Images(), Stats: view.Archive.Stats(),
		Reason: view.Grid.Reason, Gates: gateRows(view), Unplaced: len(view.Unplaced())}
	if p.Entered, err = st.series.Count(ctx); err != nil {
		return err
	}
	p.Unmeasured = int64(p.Measured) < p.Entered
	p.Challengers = p.Stats.Images - p.Stats.NumElites
	for _, a := range view.Grid.Axes {
		_, asked := series.AskedAxis(a.Descriptor)
		p.Asked = p.Asked || asked
	}
	for i, a := range p.Stats.Axes {
		if a.Low+a.High > 0 {
			axis := view.Grid.Axes[i]
			p.Clamped = append(p.Clamped, clampNote{a.Descriptor, a.Low, a.High, axis.Lo, axis.Hi})
		}
	}
	occupied := slices.Collect(view.Archive.Cells())
	here, err := lookAt(r.URL.Query(), view.Grid.Axes, occupied)
	if err != nil {
		return err
	}
	if p.Grid, err = st.gridView(ctx, view, occupied, here); err != nil {
		return err
	}
	p.contests(view, occupied)
	p.refusals(view)
	return st.look.write(w, http.StatusOK, "map.html", p)
}

// contests lists the cells where most challengers wait.
func (p *mapPage) contests(view *series.View, occupied []archive.Cell) {
	waiting := slices.DeleteFunc(slices.Clone(occupied), func(c archive.Cell) bool { return len(c.Challengers) == 0 })
	p.ContestCells = len(waiting)
	slices.SortStableFunc(waiting, func(a, b archive.Cell) int { return len(b.Challengers) - len(a.Challengers) })
	for _, c := range waiting[:min(contestedShown, len(waiting))] {
		shown := min(waitingShown, len(c.Challengers))
		p.Contested = append(p.Contested, contest{
			URL: cellURL(view.Grid.Axes, c.Coords), Label: cellLabel(view.Grid.Axes, c.Coords),
			Elite: c.Elite, Waiting: c.Challengers[:shown], More: len(c.Challengers) - shown,
		})
	}
}

// refusals lists the images refused last, with the gate that refused them.
func (p *mapPage) refusals(view *series.View) {
	refused := view.Refused()
	slices.Reverse(refused)
	p.RefusedAll = len(refused)
	p.RefusedMore = max(0, len(refused)-refusedShown)
	for _, id := range refused[:min(refusedShown, len(refused))] {
		d, ok := view.Decision(id)
		if !ok {
			continue
		}
		v := refusedView{Image: id, Seq: d.Seq}
		for _, g := range d.Gates {
			if g.Verdict == assay.Fail && g.Mode == assay.Enforced {
				// Behind the colon stands the threshold's evidence, which the
				// table of gates has once for all.
				v.Gate = g.Gate
				v.Reason, _, _ = strings.Cut(g.Reason, ": ")
				break
			}
		}
		p.Refused = append(p.Refused, v)
	}
}

func gateRows(view *series.View) []gateRow {
	var out []gateRow
	for _, name := range series.Gates() {
		row := gateRow{Gate: name, Reason: view.Unruled(name)}
		for _, t := range view.Thresholds {
			if t.Gate == name {
				row = gateRow{Gate: name, Instrument: t.Instrument, Unit: unit(t.Instrument), Fails: t.Fails, Value: t.Value,
					Mode: t.Mode, Source: source(t), Reason: t.Reason, Ruled: true}
			}
		}
		out = append(out, row)
	}
	return out
}

// source says what a threshold was computed from, unless its reason does.
func source(t assay.Threshold) string {
	text := "from " + t.Source
	if t.Source == "controls" {
		text = "from controls, no human judgment yet"
	}
	if strings.Contains(t.Reason, text) {
		return ""
	}
	return text
}

// The JSON of the map, for programs. Its names do not change.
type mapJSON struct {
	Series   string            `json:"series"`
	Version  string            `json:"version"`  // of the facts; equal versions, equal map
	Images   int64             `json:"images"`   // that have entered
	Measured int               `json:"measured"` // to the end
	Grid     assay.GridSpec    `json:"grid"`
	Stats    archive.Stats     `json:"stats"`
	Gates    []assay.Threshold `json:"gates"` // thresholds in force
	Cells    []cellJSON        `json:"cells"` // occupied ones, in order of index
	Refused  []assay.Digest    `json:"refused"`
	Unplaced []assay.Digest    `json:"unplaced"`
}

type cellJSON struct {
	Index       int              `json:"index"`
	Coords      []int            `json:"coords"`
	Lo          []float64        `json:"lo"` // boundaries on each axis
	Hi          []float64        `json:"hi"`
	Elite       memberJSON       `json:"elite"`
	Challengers []challengerJSON `json:"challengers"`
}

type memberJSON struct {
	Image      assay.Digest `json:"image"`
	Seq        int64        `json:"seq"`
	Descriptor []float64    `json:"descriptor"`
}

type challengerJSON struct {
	memberJSON
	Wins      int     `json:"wins"`
	Trials    int     `json:"trials"`
	Posterior float64 `json:"posterior"` // that it is better than the elite
}

func (st *site) mapJSON(w http.ResponseWriter, r *http.Request) error {
	m, err := st.mapData(r.Context())
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, m)
	return nil
}

func (st *site) mapData(ctx context.Context) (mapJSON, error) {
	view, err := st.series.View(ctx)
	if err != nil {
		return mapJSON{}, err
	}
	m := mapJSON{
		Series: st.series.Name(), Version: view.Version, Measured: view.Images(), Grid: view.Grid, Stats: view.Archive.Stats(),
		Gates: orEmpty(view.Thresholds), Cells: []cellJSON{}, Refused: orEmpty(view.Refused()), Unplaced: orEmpty(view.Unplaced()),
	}
	if m.Images, err = st.series.Count(ctx); err != nil {
		return mapJSON{}, fmt.Errorf("map of %s: %w", st.series.Name(), err)
	}
	for c := range view.Archive.Cells() {
		cell := cellJSON{Index: c.Index, Coords: c.Coords, Elite: memberJSON(c.Elite), Challengers: []challengerJSON{}}
		cell.Lo, cell.Hi = view.Archive.Grid().Bounds(c.Index)
		for _, ch := range c.Challengers {
			cell.Challengers = append(cell.Challengers, challengerJSON{memberJSON(ch.Member), ch.Wins, ch.Trials, ch.Posterior})
		}
		m.Cells = append(m.Cells, cell)
	}
	return m, nil
}

// orEmpty is v, or an empty list that JSON writes as [] and not as null.
func orEmpty[T any](v []T) []T {
	if v == nil {
		return []T{}
	}
	return v
}
