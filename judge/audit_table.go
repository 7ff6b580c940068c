package judge

import (
	"fmt"
	"strings"
	"time"
)

// A Row is one line of a report for people.
type Row struct {
	Check    string `json:"check"`
	Found    string `json:"found"`    // "19 of 20", or what else there is to say
	Interval string `json:"interval"` // empty if there is none
	Verdict  string `json:"verdict"`  // empty where nothing was tested
	Rule     string `json:"rule"`     // what was counted and how it was tested
}

// Table returns the report for people: the verdict, the checks, self-preference,
// the questions that people answered, the foil if it was run, and the cost.
func (r *Report) Table() []Row {
	t := r.Trust
	fit := "unfit"
	if t.Fit {
		fit = "fit"
	}
	rows := []Row{{
		Check: "verdict", Found: fit, Verdict: fit,
		Rule: "fit if every deciding check held: " + strings.Join(r.deciding(), ", "),
	}}
	if t.Pairs > 0 {
		rows = append(rows, Row{
			Check: "accuracy", Found: fmt.Sprintf("%.2f", t.Accuracy), Interval: fmt.Sprintf("%.2f to %.2f", t.Low, t.High),
			Rule: fmt.Sprintf("(right+1)/(decided+2) of %d pairs, from %s; %.0f %% Clopper-Pearson, wider than 95 %% because pairs share pictures", t.Pairs, t.Source, 100*trustLevel),
		})
	}
	for _, c := range r.Checks() {
		rows = append(rows, c.row())
	}
	if s := r.Self; s != nil {
		row := Row{Check: "self-preference", Found: "not measured", Verdict: string(s.Verdict), Rule: s.Rule}
		if s.Delta != nil {
			row.Found = fmt.Sprintf("%+.2f in log-odds on %d pairs", s.Delta.Value, s.Pairs)
			row.Interval = fmt.Sprintf("%+.2f to %+.2f", s.Delta.Low, s.Delta.High)
		}
		rows = append(rows, row)
	}
	if a := r.Agreement; a != nil {
		rows = append(rows, Row{Check: "agreement with people's answers", Found: fmt.Sprintf("%.2f", a.Value), Interval: fmt.Sprintf("%.2f to %.2f", a.Low, a.High), Rule: "Gwet's AC1: 1 is full agreement, 0 chance; 95 % bootstrap"})
	}
	for _, q := range r.Questions {
		row := Row{Check: "question " + q.ID, Found: q.Reason, Verdict: string(q.Verdict), Rule: q.Rule}
		if y := q.Youden; y != nil {
			row.Interval = fmt.Sprintf("%.2f to %.2f", y.Low, y.High)
		}
		rows = append(rows, row)
	}
	if r.Foil != nil {
		rows = append(rows, r.Foil.rows()...)
	}
	return append(rows, r.Cost.row("cost"))
}

func (r *Report) deciding() (names []string) {
	for _, c := range r.Checks() {
		if c.Decides {
			names = append(names, c.Name)
		}
	}
	return names
}

func (c Check) row() Row {
	row := Row{Check: c.Name, Found: "not asked", Verdict: string(c.Verdict), Rule: c.What + "; " + c.Rule}
	if c.Share != nil {
		row.Found = fmt.Sprintf("%d of %d", c.K, c.N)
		row.Interval = percents(c.Share.Low, c.Share.High)
	}
	if c.Number != nil {
		row.Found += fmt.Sprintf("; %.2f (%.2f to %.2f)", c.Number.Value, c.Number.Low, c.Number.High)
	}
	if c.Note != "" {
		row.Found += "; " + c.Note
	}
	return row
}

func percents(lo, hi float64) string { return fmt.Sprintf("%.0f to %.0f %%", 100*lo, 100*hi) }

// rows puts the foil beside the comparisons of the same judge.
func (f *FoilReport) rows() []Row {
	row := func(check string, s Share, rule string) Row {
		r := Row{Check: "foil: " + check, Found: "not asked", Rule: rule}
		if s.N > 0 {
			r.Found, r.Interval = fmt.Sprintf("%d of %d", s.K, s.N), percents(s.Low, s.High)
		}
		return r
	}
	agree := row("agrees with people", f.Agree, "of people's pairs whose numbers differ, the better picture got the higher number; 95 % Wilson")
	if p := f.Pairwise; p != nil {
		agree.Found += fmt.Sprintf("; by comparing, the same judge: %d of %d", p.K, p.N)
	}
	return []Row{
		row("same number twice", f.Same, "pictures that got the number of the first asking again; 95 % Wilson"),
		row("ties", f.Ties, "of people's pairs, both pictures got one number and nothing is decided; 95 % Wilson"),
		agree,
		{Check: "foil: spread", Found: fmt.Sprintf("%d different numbers on %d pictures, standard deviation %.2f of 10 points", f.Distinct, f.Pictures, f.Spread),
			Rule: "numbers from 1 to 10, which are no readings and are not kept"},
		f.Cost.row("foil: cost"),
	}
}

func (c Cost) row(name string) Row {
	parts := []string{fmt.Sprintf("%d requests", c.Calls)}
	if c.Paid != nil {
		parts = append(parts, fmt.Sprintf("%d of them sent", *c.Paid))
	}
	parts = append(parts, fmt.Sprintf("%d tokens in, %d out", c.In, c.Out))
	if c.Money != nil && *c.Money > 0 {
		parts = append(parts, fmt.Sprintf("%.4f paid", *c.Money))
	}
	parts = append(parts, fmt.Sprintf("%s a request, %s at the 95th of 100", c.Median.Round(time.Millisecond), c.Slow.Round(time.Millisecond)))
	return Row{Check: name, Found: strings.Join(parts, ", "), Rule: "latency is what the examination waited, with retries and pacing"}
}
