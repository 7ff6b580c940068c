package series_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/series"
)

// A misled juror fails a control on some pictures, and takes them in every pair.
type misled struct {
	*fake
	by     []assay.Digest
	repeat int
	void   string // empty once it is misled no more
}

func (m *misled) Checklist(ctx context.Context, img series.Shown, have []assay.Answer) ([]assay.Answer, error) {
	if m.repeat > 0 {
		have = nil
	}
	out, err := m.fake.Checklist(ctx, img, have)
	for i := range out {
		out[i].Repeat = m.repeat
		if out[i].Question.Expect == "" && slices.Contains(m.by, img.Entry.Image) {
			out[i].Void = m.void
		}
	}
	return out, err
}

// A picture on which a juror failed a control is compared by others, not by it:
// what misled it in the checklist would mislead it in both orders. Asked again
// and not misled, it compares.
func TestDeliberateWithoutTheSteered(t *testing.T) {
	db := openStore(t)
	s := jury(t, db, 14, series.Options{})
	var cell struct{ elite, challenger assay.Digest }
	for _, c := range cells(viewOf(t, s)) {
		if len(c.Challengers) > 1 {
			cell.elite, cell.challenger = c.Elite.Image, c.Challengers[0].Image
		}
	}
	for name, painted := range map[string]assay.Digest{"elite": cell.elite, "challenger": cell.challenger} {
		m := &misled{fake: newFake("misled by the " + name), by: []assay.Digest{painted}, void: "control x failed"}
		m.better = func(a, b series.Shown) float64 {
			if a.Entry.Image == painted {
				return 0.98
			}
			return 0.02
		}
		other := newFake("beside it")
		other.judge.Name += " " + name
		run := func() (refused, compared int) {
			t.Helper()
			told, err := deliberate(t, s, series.DeliberateOptions{}, m, other)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range told {
				with := d.Image == painted || d.Other == painted
				switch {
				case d.Error != "":
					refused++
					if !with || d.Judge != m.judge || d.Comparison != nil || !strings.Contains(d.Error, "control x failed") || !strings.Contains(d.Error, painted.Short()) {
						t.Errorf("told %+v", d)
					}
				case with && d.Comparison != nil && d.Judge == m.judge:
					compared++
				}
				if d.Done > d.Total {
					t.Errorf("%d done of %d", d.Done, d.Total)
				}
			}
			return refused, compared
		}
		if refused, compared := run(); refused == 0 || compared > 0 {
			t.Errorf("%s: %d pairs were told as not compared, %d were compared", name, refused, compared)
		}
		if other.count("compare") <= m.count("compare") {
			t.Errorf("%s: the juror that is not misled compared %d pairs, the other %d", name, other.count("compare"), m.count("compare"))
		}
		m.asked, m.repeat, m.void = map[string]int{}, 1, ""
		if refused, compared := run(); refused > 0 || compared == 0 {
			t.Errorf("%s, asked again: %d pairs were told as not compared, %d were compared", name, refused, compared)
		}
	}
}
