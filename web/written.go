package web

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/gen-emerge/assay"
)

// A writtenView is a summary or a critique.
type writtenView struct {
	Kind, Judge string
	Verifier    string // who checked it; empty if not said
	Text        string
	Weaknesses  []weaknessView
	Dropped     int
	Abstained   string
	Unreadable  bool
}

// A weaknessView is a verified weakness; Region names its box on the picture.
type weaknessView struct {
	Text, Category, Where, Region string
}

// A regionView is a box on a picture that is 100 wide and 100 high.
type regionView struct {
	ID         string
	X, Y, W, H float64
}

// written are the kinds of notes about a picture that its profile shows.
var written = []string{"summary", "critique"}

// writtenOf reads the newest note of each judge and kind, summaries first.
func writtenOf(notes []assay.Note, labels map[assay.Judge]string) (out []writtenView, regions []regionView) {
	for _, kind := range written {
		var told []assay.Judge
		for _, n := range slices.Backward(notes) {
			if n.Kind != kind || slices.Contains(told, n.Judge) {
				continue
			}
			told = append(told, n.Judge)
			w := writtenView{Kind: kind, Judge: labels[n.Judge]}
			if !w.read(n.Body, &regions) {
				w = writtenView{Kind: kind, Judge: labels[n.Judge], Unreadable: true}
			}
			out = append(out, w)
		}
	}
	return out, regions
}

// read takes what a page shows from a note's body.
func (w *writtenView) read(text json.RawMessage, regions *[]regionView) bool {
	var body struct {
		Text   string `json:"text"`
		Claims []struct {
			Dropped string `json:"dropped"`
		} `json:"claims"`
		Abstained  string      `json:"abstained"`
		Verifier   assay.Judge `json:"verifier"`
		Weaknesses []struct {
			Text     string    `json:"text"`
			Category string    `json:"category"`
			Part     string    `json:"part"`
			Box      []float64 `json:"box"`
		} `json:"weaknesses"`
		Dropped []json.RawMessage `json:"dropped"`
	}
	if json.Unmarshal(text, &body) != nil {
		return false
	}
	w.Text, w.Abstained, w.Verifier = body.Text, body.Abstained, body.Verifier.Name
	w.Dropped = len(body.Dropped)
	for _, c := range body.Claims {
		if c.Dropped != "" {
			w.Dropped++
		}
	}
	for _, x := range body.Weaknesses {
		one := weaknessView{Text: x.Text, Category: x.Category, Where: x.Part}
		if b := x.Box; isBox(b) {
			one.Region = fmt.Sprintf("region-%d", len(*regions)+1)
			*regions = append(*regions, regionView{one.Region, 100 * b[0], 100 * b[1], 100 * (b[2] - b[0]), 100 * (b[3] - b[1])})
			if one.Where == "" {
				one.Where = fmt.Sprintf("%.0f to %.0f %% across, %.0f to %.0f %% down", 100*b[0], 100*b[2], 100*b[1], 100*b[3])
			}
		}
		w.Weaknesses = append(w.Weaknesses, one)
	}
	return true
}

// isBox reports whether b is x0, y0, x1, y1 in [0,1] from the top left.
func isBox(b []float64) bool {
	return len(b) == 4 && 0 <= b[0] && b[0] < b[2] && b[2] <= 1 && 0 <= b[1] && b[1] < b[3] && b[3] <= 1
}
