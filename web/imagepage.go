package web

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/series"
)

// An imagePage is one image's profile.
type imagePage struct {
	frame
	series.Profile
	Width, Height int // as shown
	CellURL       string
	CellLabel     string
	FromElite     string // address of the overlay against the cell's elite; empty if there is none
	Settings      []setting
	Parents       []relative
	Gates         []gateView
	Values        []readingView
	Pairs         []readingView // readings with a second image
	Absent        []series.Missing
	History       []decisionView
	Said          []judgmentView
	Judged        judgedView
}

type setting struct{ Name, Value string }

// A relative is another image; it has a page only if it is in the series.
type relative struct {
	Image assay.Digest
	Known bool
}

type gateView struct {
	assay.GateResult
	Unit    string
	Class   string       // style class of the badge
	Told    bool         // the reason has the reading and the threshold
	Nearest assay.Digest // the other image of the diversity gate; zero if there is none
	From    string       // address of the overlay against it; empty if there is none
}

type readingView struct {
	assay.Reading
	Unit, Direction, Doc string
	Checkpoint           string // first digits, or empty
}

type decisionView struct {
	assay.Decision
	Current bool // on the rules in force
	Verdict string
}

type judgmentView struct {
	assay.Judgment
	Other assay.Digest
	Side  string // where this image was shown
	Said  string // of this image
}

func (st *site) imagePage(w http.ResponseWriter, r *http.Request) error {
	text, asJSON := strings.CutSuffix(r.PathValue("id"), ".json")
	id, err := assay.ParseDigest(text)
	if err != nil {
		return err
	}
	p, err := st.series.Profile(r.Context(), id)
	if err != nil {
		return err
	}
	if asJSON {
		p.Readings, p.Gates, p.Cell = orEmpty(p.Readings), orEmpty(p.Gates), orEmpty(p.Cell)
		p.Decisions, p.Judgments = orEmpty(p.Decisions), orEmpty(p.Judgments)
		p.Answers, p.Comparisons = orEmpty(p.Answers), orEmpty(p.Comparisons)
		p.Notes, p.Trusts = orEmpty(p.Notes), orEmpty(p.Trusts)
		writeJSON(w, http.StatusOK, p)
		return nil
	}
	page := imagePage{frame: st.frame(r.Context(), fmt.Sprintf("Image %d", p.Entry.Seq), ""), Profile: p, Absent: p.Missing}
	if page.Width, page.Height, err = st.size(r.Context(), id); err != nil {
		return err
	}
	view, err := st.series.View(r.Context())
	if err != nil {
		return err
	}
	if len(p.Cell) == len(view.Grid.Axes) {
		page.CellURL, page.CellLabel = cellURL(view.Grid.Axes, p.Cell), cellLabel(view.Grid.Axes, p.Cell)
	}
	page.relate(st, r)
	page.tell(id)
	page.Judged = judged(&page.Profile, st.rater(r.Context()), r.URL.Query().Get("dimension"))
	page.FromElite = st.differenceFrom(id, p.Incumbent)
	for i, g := range page.Gates {
		page.Gates[i].From = st.differenceFrom(id, g.Nearest)
	}
	return st.look.write(w, http.StatusOK, "image.html", page)
}

// relate finds which parents have pages here.
func (p *imagePage) relate(st *site, r *http.Request) {
	for _, id := range p.Entry.Parents {
		_, err := st.series.Entry(r.Context(), id)
		p.Parents = append(p.Parents, relative{id, err == nil})
	}
}

// tell puts the profile into the order of the page.
func (p *imagePage) tell(id assay.Digest) {
	for _, name := range slices.Sorted(maps.Keys(p.Entry.Settings)) {
		p.Settings = append(p.Settings, setting{name, p.Entry.Settings[name]})
	}
	for _, g := range p.Profile.Gates {
		v := gateView{GateResult: g, Class: strings.ReplaceAll(string(g.Verdict), " ", "-")}
		v.Told = g.Verdict == assay.Pass || g.Verdict == assay.Fail
		if g.Reading != nil {
			v.Unit, v.Nearest = unit(g.Reading.Instrument), g.Reading.Ref
		}
		p.Gates = append(p.Gates, v)
	}
	for _, r := range p.Profile.Readings {
		v := readingView{Reading: r, Checkpoint: r.Checkpoint[:min(12, len(r.Checkpoint))]}
		if spec, ok := metric.Find(r.Instrument); ok {
			v.Unit, v.Direction, v.Doc = spec.Unit, direction(spec.Better), spec.Doc
		}
		if r.Ref.IsZero() {
			p.Values = append(p.Values, v)
		} else {
			p.Pairs = append(p.Pairs, v)
		}
	}
	for i, d := range slices.Backward(p.Decisions) {
		p.History = append(p.History, decisionView{d, i == len(p.Decisions)-1, verdicts(d.Gates)})
	}
	for _, j := range slices.Backward(p.Judgments) {
		if j.Source != "human" {
			continue // stands among the comparisons, with what it weighs
		}
		p.Said = append(p.Said, aboutImage(j, id))
	}
}

func direction(d metric.Direction) string {
	return cmp.Or(map[metric.Direction]string{
		metric.HigherIsBetter: "higher is better", metric.LowerIsBetter: "lower is better",
		metric.Descriptor: "describes",
	}[d], string(d))
}

// verdicts sums up the gates of a decision in words: what did not pass.
func verdicts(gates []assay.GateResult) string {
	var parts []string
	passed := 0
	for _, g := range gates {
		if g.Verdict == assay.Pass {
			passed++
			continue
		}
		parts = append(parts, fmt.Sprintf("%s: %s (%s)", g.Gate, g.Verdict, g.Mode))
	}
	if passed > 0 {
		parts = append([]string{fmt.Sprintf("%s passed", counted(passed, "gate", "gates"))}, parts...)
	}
	return strings.Join(parts, "; ")
}

// aboutImage says a judgment from the side of one of its images.
func aboutImage(j assay.Judgment, id assay.Digest) judgmentView {
	v := judgmentView{Judgment: j, Other: j.Right, Side: "left"}
	won := j.Outcome == assay.Left
	if id == j.Right {
		v.Other, v.Side, won = j.Left, "right", j.Outcome == assay.Right
	}
	degree := "better"
	if j.Grade == 2 || j.Grade == -2 {
		degree = "much better"
	}
	switch {
	case j.Outcome == assay.Tie:
		v.Said = "the same as"
	case j.Outcome == assay.BothBad:
		v.Said = "not good enough, nor was"
	case j.Outcome == assay.Skip:
		v.Said = "skipped against"
	case won:
		v.Said = degree + " than"
	default:
		v.Said = strings.Replace(degree, "better", "worse", 1) + " than"
	}
	return v
}
