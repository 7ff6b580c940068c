package web

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/stat"
)

// A diagnosePage says whether the series converges, in words, plots and a table.
type diagnosePage struct {
	frame
	D        series.Diagnosis
	Accepted bool
	Why      string // why there is no diagnosis; empty if there is
	Rows     []diagnoseRow
	Plots    []plot
	Mapped   bool // the images have cells
}

// A diagnoseRow is one window of the table.
type diagnoseRow struct {
	series.CurvePoint
	Nearest *float64 // median distance to the nearest before; nil if none of the window's images has so many before
}

// A plot is one figure. Its points are drawn by the page's script; Label says
// in words what they show.
type plot struct {
	ID, Title, Axis, Doc, Label string
}

// diagnoses keeps the newest diagnosis: it takes seconds where it finds an
// alarm, and facts change seldom.
type diagnoses struct {
	mu   sync.Mutex
	have map[bool]kept // by whether only accepted images are looked at
}

type kept struct {
	version string
	d       series.Diagnosis
}

// of returns the diagnosis of the facts as they are now. Requests wait for each
// other rather than compute the same.
func (k *diagnoses) of(ctx context.Context, s *series.Series, accepted bool) (series.Diagnosis, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	view, err := s.View(ctx)
	if err != nil {
		return series.Diagnosis{}, err
	}
	if have, ok := k.have[accepted]; ok && have.version == view.Version {
		return have.d, nil
	}
	d, err := s.Diagnose(ctx, series.DiagnoseOptions{Accepted: accepted})
	if err != nil {
		return d, err
	}
	if k.have == nil {
		k.have = map[bool]kept{}
	}
	k.have[accepted] = kept{view.Version, d}
	return d, nil
}

func (st *site) diagnosePage(w http.ResponseWriter, r *http.Request) error {
	p := diagnosePage{frame: st.frame(r.Context(), "Diagnosis", "diagnose"), Accepted: r.URL.Query().Get("accepted") == "1"}
	var err error
	p.D, err = st.diagnoses.of(r.Context(), st.series, p.Accepted)
	if errors.Is(err, assay.ErrNotFound) {
		p.Why = "No image of this series is measured yet"
	} else if err != nil {
		return err
	}
	for _, c := range p.D.Curve {
		p.Rows = append(p.Rows, diagnoseRow{c, medianNearest(p.D.Nearest, c)})
		p.Mapped = c.Entropy != nil
	}
	if len(p.Rows) > 0 {
		p.Plots = plots(p.D, p.Rows, p.Mapped)
	}
	return st.look.write(w, http.StatusOK, "diagnose.html", p)
}

func (st *site) diagnoseJSON(w http.ResponseWriter, r *http.Request) error {
	d, err := st.diagnoses.of(r.Context(), st.series, r.URL.Query().Get("accepted") == "1")
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, d)
	return nil
}

// medianNearest is the median distance to the nearest before of a window's images.
func medianNearest(n *series.NearestFinding, c series.CurvePoint) *float64 {
	var values []float64
	for i, at := range n.At {
		if at >= c.From && at <= c.To {
			values = append(values, n.Distance[i])
		}
	}
	m, err := stat.Quantile(values, 0.5)
	if err != nil {
		return nil
	}
	return &m
}

// plots says what there is to draw.
func plots(d series.Diagnosis, rows []diagnoseRow, mapped bool) []plot {
	first, last := rows[0], rows[len(rows)-1]
	fromTo := func(what string, a, b float64) string {
		return fmt.Sprintf("%s: %s in the first %d images, %s in the last. The table below has the numbers; the arrow keys go from point to point.", what, short(a), d.Window, short(b))
	}
	out := []plot{
		{ID: "spread", Title: "How far apart", Axis: "mean distance of pairs",
			Doc:   fmt.Sprintf("The mean distance of all pairs in windows of %d images, by %s. Lower is more alike; the band is the 95 %% interval. Each window is drawn at its last image.", d.Window, d.By.Instrument),
			Label: fromTo("Mean distance of pairs", first.Mean, last.Mean)},
		{ID: "nearest", Title: "Nearest before", Axis: "distance",
			Doc:   fmt.Sprintf("For each image the distance to the nearest of the %d before it, and the median in windows (line). A fixed number before, since among ever more images the nearest comes nearer anyway.", d.Nearest.Lookback),
			Label: fmt.Sprintf("Distance to the nearest of the %d images before: Kendall’s tau with time is %s. The table below has the medians; the arrow keys go from point to point.", d.Nearest.Lookback, short(d.Nearest.Tau))},
		{ID: "vendi", Title: "Different images", Axis: "effective number",
			Doc:   fmt.Sprintf("The Vendi score of each window: how many fully different images would be as varied, of %d. The band is the 95 %% interval.", d.Window),
			Label: fromTo("Vendi score", first.Vendi, last.Vendi)},
	}
	if mapped {
		out = append(out, plot{ID: "entropy", Title: "Spread over the map", Axis: "entropy in nats",
			Doc: fmt.Sprintf("How evenly images spread over the map’s %d cells: those of each window as counted, and all so far (dashed) with Miller and Madow’s correction, since the entropy of few images is biased low. %s is the most.",
				cellsOf(d.Grid), short(math.Log(float64(cellsOf(d.Grid))))),
			Label: fromTo("Occupancy entropy", *first.Entropy, *last.Entropy)})
	}
	return out
}

func cellsOf(axes []assay.Axis) int {
	n := 1
	for _, a := range axes {
		n *= a.Cells
	}
	return n
}
