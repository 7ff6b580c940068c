package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// A checkRecord is one check of an examination, as its note has it.
type checkRecord struct {
	Name  string `json:"name"`
	What  string `json:"what"`
	K     int    `json:"k"`
	N     int    `json:"n"`
	Share *struct {
		Value float64 `json:"value"`
		Low   float64 `json:"low"`
		High  float64 `json:"high"`
	} `json:"share,omitempty"`
	Level   float64 `json:"level"`
	Rule    string  `json:"rule"`
	Verdict string  `json:"verdict"`
	Decides bool    `json:"decides"`
	Note    string  `json:"note,omitempty"`
}

// Found says what was counted: "19 of 20".
func (c checkRecord) Found() string {
	if c.N == 0 {
		return "not asked"
	}
	return fmt.Sprintf("%d of %d", c.K, c.N)
}

// Interval says between which shares the truth is likely to lie.
func (c checkRecord) Interval() string {
	if c.Share == nil {
		return ""
	}
	return fmt.Sprintf("%s to %s", pct(c.Share.Low), pct(c.Share.High))
}

// Class is the style class of the verdict's badge.
func (c checkRecord) Class() string {
	switch c.Verdict {
	case "pass", "fail":
		return c.Verdict
	}
	return "abstain"
}

type questionFailure struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	Text    string `json:"text,omitempty"` // if the examination asked it
	Why     string `json:"why"`
}

// An examination is what a page shows of an audit's note, beyond the trust.
type examination struct {
	checks  []checkRecord
	texts   map[string]string // of questions, by id@version
	leftOut []string
}

// readExamination takes what it knows of a note and leaves the rest: a check is
// any member with a name, a rule and a verdict, in the note's own order.
func readExamination(text json.RawMessage) (x examination) {
	x.texts = map[string]string{}
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return x
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return x
		}
		var member json.RawMessage
		if d.Decode(&member) != nil {
			return x
		}
		switch key {
		case "questions":
			var asked []struct{ ID, Version, Text string }
			_ = json.Unmarshal(member, &asked) // what cannot be read has no text
			for _, q := range asked {
				x.texts[q.ID+"@"+q.Version] = q.Text
			}
		case "left_out":
			_ = json.Unmarshal(member, &x.leftOut) // likewise
		default:
			var c checkRecord
			if json.Unmarshal(member, &c) == nil && c.Name != "" && c.Rule != "" && c.Verdict != "" {
				x.checks = append(x.checks, c)
			}
		}
	}
	return x
}

// judges keeps what the page of judges shows: it reads every answer.
type judges struct {
	some atomic.Bool // the series has judges; facts stay, and so does this

	mu   sync.Mutex
	have *judgesJSON
	none string // version at which there were none
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
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.none == view.Version {
		return false, nil
	}
	found := len(view.Trusts)+len(view.Comparisons) > 0
	if !found {
		stop := errors.New("found")
		err := st.facts.SeriesAnswers(ctx, st.series.Name(), func(_ int64, a assay.Answer) error {
			if !a.Judge.IsPerson() {
				return stop
			}
			return nil
		})
		if err != nil && !errors.Is(err, stop) {
			return false, err
		}
		found = err != nil
	}
	if found {
		k.some.Store(true)
	} else {
		k.none = view.Version
	}
	return found, nil
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

// tellsTrust reports whether an audit's note is an examination: one that cannot
// be read is, and trusts nobody.
func tellsTrust(body json.RawMessage) bool {
	var x struct {
		Trust json.RawMessage `json:"trust"`
	}
	return json.Unmarshal(body, &x) != nil || len(x.Trust) > 0
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
	r.Checks, r.LeftOut, r.Unfit = orEmpty(x.checks), orEmpty(x.leftOut), []questionFailure{}
	if r.Trust == nil {
		return
	}
	r.MayDecide = decides{Answers: r.Trust.Fit, Comparisons: comparisonsCount(r.Trust)}
	for _, name := range slices.Sorted(maps.Keys(r.Trust.Unfit)) {
		id, version := cutLast(name, '@')
		r.Unfit = append(r.Unfit, questionFailure{ID: id, Version: version, Text: x.texts[name], Why: r.Trust.Unfit[name]})
	}
}

// cutLast cuts text at the last sep; there is no second part without one.
func cutLast(text string, sep byte) (before, after string) {
	for i := len(text) - 1; i >= 0; i-- {
		if text[i] == sep {
			return text[:i], text[i+1:]
		}
	}
	return text, ""
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
