package web

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/series"
)

// A judgesPage has every judge of the series and what was found of it.
type judgesPage struct {
	frame
	Judges []judgeRow
	People []personRecord
}

type judgeRow struct {
	judgeView
	judgeRecord
}

// judgesJSON is the page as JSON.
type judgesJSON struct {
	Series  string         `json:"series"`
	Version string         `json:"version"` // of the facts
	Judges  []judgeRecord  `json:"judges"`  // models, those examined first, in the order in which they first were
	People  []personRecord `json:"people"`
}

// A personRecord says how many questions about images a person has answered.
type personRecord struct {
	Name    string `json:"name"`
	Answers int    `json:"answers"` // the newest to each question about each image
}

// A judgeRecord is one judge, its newest examination and what it said.
type judgeRecord struct {
	Judge       assay.Judge       `json:"judge"`
	Trust       *assay.Trust      `json:"trust"`       // null: not examined
	Answers     answerTally       `json:"answers"`     //
	Comparisons comparisonTally   `json:"comparisons"` //
	MayDecide   decides           `json:"may_decide"`  //
	Checks      []checkRecord     `json:"checks"`      // of the newest examination
	Unfit       []questionFailure `json:"unfit"`       // questions at which it decides nothing
	Remarks     []string          `json:"remarks"`     // sentences: what else the examination found
	LeftOut     []string          `json:"left_out"`    // sentences: what was not asked
}

type decides struct {
	Answers     bool `json:"answers"`
	Comparisons bool `json:"comparisons"`
}

// An answerTally counts answers by what became of them; repetitions are counted
// by themselves.
type answerTally struct {
	Images    int `json:"images"`    // with answers
	Given     int `json:"given"`     // yes or no
	Abstained int `json:"abstained"` //
	Void      int `json:"void"`      // whatever they said
	Repeats   int `json:"repeats"`   // asked again to see whether an answer holds

	last assay.Digest
}

type comparisonTally struct {
	Made      int `json:"made"`      // Abstained among them
	Abstained int `json:"abstained"` //
	Counted   int `json:"counted"`   // part of the evidence about their pairs
	Decided   int `json:"decided"`   // made one of the two the elite of its cell
}

// judges keeps what the page of judges shows: it reads every answer.
type judges struct {
	some atomic.Bool // the series has judges; facts stay, and so does this

	asking sync.Mutex
	none   string // version at which no model had answered

	mu   sync.Mutex
	have *judgesJSON
}

// any reports whether models said anything in the series or were examined.
func (k *judges) any(ctx context.Context, st *site) (bool, error) {
	if k.some.Load() {
		return true, nil
	}
	view, err := st.series.View(ctx)
	if err != nil {
		return false, err
	}
	found := len(view.Trusts)+len(view.Comparisons) > 0
	for _, kind := range written { // which are not part of the view
		notes, err := st.facts.Notes(ctx, st.series.Name(), assay.Digest{}, kind)
		if err != nil {
			return false, err
		}
		found = found || len(notes) > 0
	}
	if !found {
		if found, err = k.answered(ctx, st, view.Version); err != nil {
			return false, err
		}
	}
	if found {
		k.some.Store(true)
	}
	return found, nil
}

// answered reports whether a model has answered a question in the series, whose
// facts have the version.
func (k *judges) answered(ctx context.Context, st *site, version string) (bool, error) {
	k.asking.Lock()
	defer k.asking.Unlock()
	if k.none == version {
		return false, nil
	}
	stop := errors.New("found")
	err := st.facts.SeriesAnswers(ctx, st.series.Name(), func(_ int64, a assay.Answer) error {
		if !a.Judge.IsPerson() {
			return stop
		}
		return nil
	})
	switch {
	case errors.Is(err, stop):
		return true, nil
	case err == nil:
		k.none = version
	}
	return false, err
}

// of returns the judges by the facts as they are now. Requests wait for each
// other rather than compute the same.
func (k *judges) of(ctx context.Context, st *site) (*judgesJSON, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	view, err := st.series.View(ctx)
	if err != nil {
		return nil, err
	}
	if k.have != nil && k.have.Version == view.Version {
		return k.have, nil
	}
	out := &judgesJSON{Series: st.series.Name(), Version: view.Version}
	for _, t := range view.Trusts {
		out.at(t.Judge).Trust = &t
	}
	if err := out.tallyAnswers(ctx, st); err != nil {
		return nil, err
	}
	out.tallyComparisons(view.Comparisons)
	for _, kind := range written {
		notes, err := st.facts.Notes(ctx, out.Series, assay.Digest{}, kind)
		if err != nil {
			return nil, err
		}
		for _, n := range notes {
			out.at(n.Judge)
		}
	}
	notes, err := st.facts.Notes(ctx, out.Series, assay.Digest{}, series.AuditNote)
	if err != nil {
		return nil, err
	}
	newest := map[assay.Judge]assay.Note{}
	for _, n := range notes {
		if tellsTrust(n.Body) {
			newest[n.Judge] = n
		}
	}
	for i := range out.Judges {
		out.Judges[i].examined(newest[out.Judges[i].Judge].Body)
	}
	out.Judges, out.People = orEmpty(out.Judges), orEmpty(out.People)
	k.have = out
	return out, nil
}

// at returns the record of a judge, made if need be.
func (d *judgesJSON) at(j assay.Judge) *judgeRecord {
	i := slices.IndexFunc(d.Judges, func(r judgeRecord) bool { return r.Judge == j })
	if i < 0 {
		i = len(d.Judges)
		d.Judges = append(d.Judges, judgeRecord{Judge: j})
	}
	return &d.Judges[i]
}

func (d *judgesJSON) tallyAnswers(ctx context.Context, st *site) error {
	return st.facts.SeriesAnswers(ctx, d.Series, func(_ int64, a assay.Answer) error {
		if a.Judge.IsPerson() {
			i := slices.IndexFunc(d.People, func(p personRecord) bool { return p.Name == a.Judge.Name })
			if i < 0 {
				i = len(d.People)
				d.People = append(d.People, personRecord{Name: a.Judge.Name})
			}
			if a.Repeat == 0 { // a changed mind is the same question
				d.People[i].Answers++
			}
			return nil
		}
		t := &d.at(a.Judge).Answers
		if t.last != a.Image { // answers come image by image
			t.last = a.Image
			t.Images++
		}
		switch {
		case a.Repeat > 0:
			t.Repeats++
		case a.Void != "":
			t.Void++
		case a.Belief.Known():
			t.Given++
		default:
			t.Abstained++
		}
		return nil
	})
}

func (d *judgesJSON) tallyComparisons(all []series.Weighed) {
	for _, w := range all {
		t := &d.at(w.Judge).Comparisons
		t.Made++
		if w.Outcome == assay.Skip {
			t.Abstained++
		}
		if w.Counts {
			t.Counted++
		}
		if w.Decided {
			t.Decided++
		}
	}
}

// examined fills in what the newest examination found, body being its note's.
func (r *judgeRecord) examined(body json.RawMessage) {
	x := readExamination(body)
	r.Checks, r.Remarks, r.LeftOut, r.Unfit = orEmpty(x.checks), orEmpty(x.remarks), orEmpty(x.leftOut), []questionFailure{}
	if r.Trust == nil {
		return
	}
	r.MayDecide = decides{Answers: r.Trust.Fit, Comparisons: comparisonsCount(r.Trust)}
	for _, name := range slices.Sorted(maps.Keys(r.Trust.Unfit)) {
		id, version := cutLast(name, '@')
		r.Unfit = append(r.Unfit, questionFailure{ID: id, Version: version, Text: x.texts[name], Why: r.Trust.Unfit[name]})
	}
}

// Examined is when the judge was examined last; nil if it never was.
func (r judgeRecord) Examined() *time.Time {
	if r.Trust == nil {
		return nil
	}
	return &r.Trust.Created
}

func (st *site) judgesPage(w http.ResponseWriter, r *http.Request) error {
	d, err := st.judges.of(r.Context(), st)
	if err != nil {
		return err
	}
	p := judgesPage{frame: st.frame(r.Context(), "Judges", "judges"), People: d.People}
	var all []assay.Judge
	for _, j := range d.Judges {
		all = append(all, j.Judge)
	}
	labels := labelsOf(all)
	for _, j := range d.Judges {
		view := judgeView{Judge: j.Judge, standing: standingOf(j.Trust), Label: labels[j.Judge], Anchor: anchorOf("judge", j.Judge)}
		p.Judges = append(p.Judges, judgeRow{view, j})
	}
	return st.look.write(w, http.StatusOK, "judges.html", p)
}

func (st *site) judgesJSON(w http.ResponseWriter, r *http.Request) error {
	d, err := st.judges.of(r.Context(), st)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, d)
	return nil
}
