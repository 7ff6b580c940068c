package series

import (
	"context"
	"slices"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/metric"
)

// A Profile is everything known of one image in its series. It has no sum.
type Profile struct {
	Entry     assay.Entry        `json:"entry"`
	Image     assay.Image        `json:"image"`
	Readings  []assay.Reading    `json:"readings"` // in the catalogue's order, then by instrument
	Missing   []Missing          `json:"missing,omitempty"`
	Gates     []assay.GateResult `json:"gates"`
	Placement assay.Placement    `json:"placement"`
	Cell      []int              `json:"cell"`
	Incumbent assay.Digest       `json:"incumbent,omitzero"`
	Decisions []assay.Decision   `json:"decisions"` // as they were told, oldest first
	Judgments []assay.Judgment   `json:"judgments"` // that show this image, oldest first

	Answers     []assay.Answer `json:"answers"`     // oldest first
	Comparisons []Weighed      `json:"comparisons"` // by models, that show this image, oldest first
	Notes       []assay.Note   `json:"notes"`       // about this image, oldest first
	Trusts      []assay.Trust  `json:"trusts"`      // of the judges that said any of it; a judge without one has not been examined
}

// Missing is a number that does not exist, and why.
type Missing struct {
	Instrument string `json:"instrument"`
	Reason     string `json:"reason"`
}

// Profile returns what is known of an image of the series.
func (s *Series) Profile(ctx context.Context, id assay.Digest) (Profile, error) {
	var p Profile
	var err error
	if p.Entry, err = s.facts.Entry(ctx, s.name, id); err != nil {
		return p, err
	}
	if p.Image, err = s.facts.Image(ctx, id); err != nil {
		return p, err
	}
	if p.Readings, err = s.facts.Readings(ctx, id); err != nil {
		return p, err
	}
	own := assay.DigestOfText(p.Entry.Prompt)
	p.Readings = slices.DeleteFunc(p.Readings, func(r assay.Reading) bool { // of another series' prompt
		return !r.Text.IsZero() && r.Text != own
	})
	p.Missing = s.missing(p.Readings, p.Entry.Prompt)
	view, err := s.View(ctx)
	if err != nil {
		return p, err
	}
	if d, ok := view.Decision(id); ok {
		p.Gates, p.Placement, p.Cell, p.Incumbent = d.Gates, d.Placement, d.Cell, d.Incumbent
	} else {
		p.Placement = assay.Unplaced
	}
	if p.Decisions, err = s.facts.Decisions(ctx, s.name, id); err != nil {
		return p, err
	}
	all, err := s.facts.Judgments(ctx, s.name)
	if err != nil {
		return p, err
	}
	for _, j := range all {
		if j.Left == id || j.Right == id {
			p.Judgments = append(p.Judgments, j)
		}
	}
	s.sortReadings(p.Readings)
	return p, s.heard(ctx, &p, view)
}

// heard fills in what judges said of the profile's image.
func (s *Series) heard(ctx context.Context, p *Profile, view *View) (err error) {
	id := p.Entry.Image
	if p.Answers, err = s.facts.Answers(ctx, s.name, id); err != nil {
		return err
	}
	if p.Notes, err = s.facts.Notes(ctx, s.name, id, ""); err != nil {
		return err
	}
	spoke := map[assay.Judge]bool{}
	for _, a := range p.Answers {
		spoke[a.Judge] = true
	}
	for _, n := range p.Notes {
		spoke[n.Judge] = true
	}
	for _, w := range view.Comparisons {
		if w.A == id || w.B == id {
			p.Comparisons = append(p.Comparisons, w)
			spoke[w.Judge] = true
		}
	}
	for _, t := range view.Trusts {
		if spoke[t.Judge] {
			p.Trusts = append(p.Trusts, t)
		}
	}
	return nil
}

// missing lists the instruments that read images, or images with prompts, and
// have not read this one.
func (s *Series) missing(have []assay.Reading, prompt string) []Missing {
	var out []Missing
	for _, spec := range metric.Catalogue() {
		if spec.Kind == metric.OfPair || slices.ContainsFunc(have, func(r assay.Reading) bool { return r.Instrument == spec.Name }) {
			continue
		}
		reason := "it could not read this image"
		if _, err := s.tools.Find(spec.Name); err != nil {
			reason = told(err)
		} else if spec.Kind == metric.OfPrompt && !hasPrompt(prompt) {
			reason = noPrompt
		}
		out = append(out, Missing{spec.Name, reason})
	}
	return out
}

func (s *Series) sortReadings(rs []assay.Reading) {
	order := map[string]int{}
	for i, spec := range metric.Catalogue() {
		order[spec.Name] = i
	}
	slices.SortStableFunc(rs, func(a, b assay.Reading) int { return order[a.Instrument] - order[b.Instrument] })
}
