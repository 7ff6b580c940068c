package web_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/store"
	"github.com/gen-emerge/assay/web"
)

// crowd is a store that seems to hold very many images: their readings are
// made up, which is enough for pages that show no full picture.
type crowd struct {
	*store.DB
	n int
}

func crowdID(seq int64) (id assay.Digest) {
	binary.BigEndian.PutUint64(id[:], uint64(seq))
	return id
}

func (c crowd) Count(context.Context, string) (int64, error) { return int64(c.n), nil }

func (c crowd) Entry(_ context.Context, name string, id assay.Digest) (assay.Entry, error) {
	seq := int64(binary.BigEndian.Uint64(id[:8]))
	return assay.Entry{Series: name, Seq: seq, Image: id, Prompt: "one of very many " + strings.Repeat("words ", 60)}, nil
}

func (c crowd) SeriesReadings(_ context.Context, _, instrument string, fn func(int64, assay.Reading) error) error {
	in, err := metric.OpenFormula(instrument)
	if err != nil { // of networks nothing is made up
		return nil
	}
	rng := rand.New(rand.NewPCG(uint64(len(instrument)), 1))
	for seq := int64(1); seq <= int64(c.n); seq++ {
		v := -30 + 60*rng.Float64()
		if instrument == "edge-density" {
			v = 0.5 * rng.Float64()
		}
		if err := fn(seq, assay.Reading{Identity: in.Identity(), Image: crowdID(seq), Value: v}); err != nil {
			return err
		}
	}
	return nil
}

func (c crowd) Neighbours(_ context.Context, _ string, fn func(assay.Neighbour) error) error {
	for seq := int64(1); seq <= int64(c.n); seq++ {
		if err := fn(assay.Neighbour{Seq: seq, Nearest: crowdID(max(1, seq-1)), Value: 1}); err != nil {
			return err
		}
	}
	return nil
}

func newCrowd(t testing.TB, n, cells int) *site {
	t.Helper()
	s := &site{db: openStore(t)}
	tools := series.Tools{}
	for _, name := range []string{"warmth", "edge-density", "layout"} {
		in, err := metric.OpenFormula(name)
		if err != nil {
			t.Fatal(err)
		}
		tools.Instruments = append(tools.Instruments, in)
	}
	var err error
	s.series, err = series.Open(t.Context(), "crowd", crowd{s.db, n}, tools, series.Options{Axes: []assay.Axis{
		{Descriptor: "warmth", Lo: -30, Hi: 30, Cells: cells}, {Descriptor: "edge-density", Lo: 0, Hi: 0.5, Cells: cells}}})
	if err != nil {
		t.Fatal(err)
	}
	if s.handler, err = web.New(s.series, s.db, web.Options{}); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestTenThousand: the page of a large series has a bounded number of pictures,
// and says how many are not shown.
func TestTenThousand(t *testing.T) {
	s := newCrowd(t, 10_000, 40)
	res, body := s.get(t, "/")
	if res.StatusCode != 200 {
		t.Fatalf("%d %.300s", res.StatusCode, body)
	}
	view, err := s.series.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	elites := len(view.Archive.Elites())
	if elites < 1500 {
		t.Fatalf("%d elites: the test tests nothing", elites)
	}
	if n := strings.Count(body, "<img"); n > 600+12*5+36 {
		t.Errorf("%d pictures on one page", n)
	}
	if want := fmt.Sprintf("%d elites are shown as a mark", elites-600); !strings.Contains(body, want) {
		t.Errorf("the page does not say %q", want)
	}
	if n := strings.Count(body, `class="cell"`); n != elites {
		t.Errorf("%d cells link to their elite, want %d", n, elites)
	}
	if len(body) > 2<<20 {
		t.Errorf("the page has %d bytes", len(body))
	}
}

func BenchmarkMapPage(b *testing.B) {
	for _, cells := range []int{8, 40} {
		b.Run(fmt.Sprintf("10000 images/%d×%d", cells, cells), func(b *testing.B) {
			s := newCrowd(b, 10_000, cells)
			if _, err := s.series.View(b.Context()); err != nil { // the series' work, done once for each state
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				s.handler.ServeHTTP(w, request("GET", "/", ""))
				if w.Code != 200 {
					b.Fatal(w.Code, w.Body.String())
				}
			}
		})
	}
}
