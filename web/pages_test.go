package web_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg"
	"image/png"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/image/tiff"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/archive"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/web"
)

func TestMapPage(t *testing.T) {
	s := newSite(t, web.Options{})
	res, body := s.get(t, "/")
	if res.StatusCode != 200 {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	view, err := s.series.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for cell := range view.Archive.Cells() {
		if want := `href="/image/` + cell.Elite.Image.String() + `"`; !strings.Contains(body, want) {
			t.Errorf("the map lacks the elite of %v", cell.Coords)
		}
	}
	for _, gate := range series.Gates() {
		if !strings.Contains(body, `<th scope="row">`+gate+`</th>`) {
			t.Errorf("the table of gates lacks %s", gate)
		}
	}
	refused := view.Refused()
	if len(refused) == 0 {
		t.Fatal("the copy was not refused")
	}
	for _, want := range []string{"from controls, no human judgment yet", refused[0].String(), "&lt;script&gt;"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, bad := range []string{"<script>", "style=", "onclick", "http://", "https://", "ZgotmplZ"} {
		if strings.Contains(body, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
}

func TestMapJSON(t *testing.T) {
	s := newSite(t, web.Options{})
	res, body := s.get(t, "/map.json")
	var m struct {
		Series           string
		Images, Measured int
		Cells            []struct {
			Coords []int
			Lo, Hi []float64
			Elite  struct {
				Image      assay.Digest
				Descriptor []float64
			}
			Challengers []struct {
				Image     assay.Digest
				Posterior float64
			}
		}
		Refused []assay.Digest
	}
	if err := json.Unmarshal([]byte(body), &m); err != nil || res.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%v, type %s", err, res.Header.Get("Content-Type"))
	}
	n := len(m.Refused)
	for _, c := range m.Cells {
		n += 1 + len(c.Challengers)
		for k, x := range c.Elite.Descriptor {
			if inner := c.Coords[k] > 0 && c.Coords[k] < 2; inner && (x < c.Lo[k] || x >= c.Hi[k]) {
				t.Errorf("cell %v from %v to %v holds %v", c.Coords, c.Lo, c.Hi, c.Elite.Descriptor)
			}
		}
	}
	if m.Series != "waves" || m.Images != pictures+1 || m.Measured != m.Images || n != m.Images {
		t.Errorf("series %s of %d images, %d measured, %d accounted for", m.Series, m.Images, m.Measured, n)
	}
}

func TestImagePage(t *testing.T) {
	s := newSite(t, web.Options{})
	id := s.results[1].Digest
	_, body := s.get(t, "/image/"+id.String())
	parent := s.results[0].Digest
	for _, want := range []string{
		`width="96" height="96"`, `href="/image/` + parent.String() + `"`, "not in this series", "seed",
		"sharpness", "niqe", "is not installed", "lower is better", id.String() + ".json",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the profile lacks %q", want)
		}
	}
	_, copied := s.get(t, "/image/"+s.results[pictures].Digest.String())
	for _, want := range []string{`class="badge fail"`, "nearest before it", `src="/thumb/` + parent.String() + `"`, "refused"} {
		if !strings.Contains(copied, want) {
			t.Errorf("the profile of the copy lacks %q", want)
		}
	}
	_, text := s.get(t, "/image/"+id.String()+".json")
	var p series.Profile
	if err := json.Unmarshal([]byte(text), &p); err != nil || p.Entry.Image != id || len(p.Readings) < 10 {
		t.Errorf("as JSON: %v, %d readings", err, len(p.Readings))
	}
}

// TestPromptReadings: a profile shows readings with the image's own prompt and
// says so, not those with another series' prompt; made-up weights are called so,
// in the table and at the gate that will not go by them.
func TestPromptReadings(t *testing.T) {
	s := newSite(t, web.Options{})
	id := s.results[1].Digest
	entry, err := s.db.Entry(t.Context(), s.series.Name(), id)
	if err != nil {
		t.Fatal(err)
	}
	score := assay.Identity{Instrument: "clip-score", Version: 1, Checkpoint: "0123456789abcdef", Preparation: "224", Runtime: "onnxruntime"}
	style := assay.Identity{Instrument: "style", Version: 1, Checkpoint: "fedcba9876543210", Preparation: "224", Runtime: "onnxruntime", Synthetic: true}
	err = s.db.Record(t.Context(), assay.Measurement{Series: s.series.Name(), Seq: entry.Seq, Readings: []assay.Reading{
		{Identity: score, Image: id, Text: assay.DigestOfText(entry.Prompt), Value: 27.125},
		{Identity: score, Image: id, Text: assay.DigestOfText("another prompt"), Value: 11.875},
		{Identity: style, Image: id, Value: 0.625},
	}})
	if err != nil {
		t.Fatal(err)
	}
	_, body := s.get(t, "/image/"+id.String())
	for _, want := range []string{"27.1", "with its prompt", "<em>synthetic</em>", "synthetic weights never reach a gate", "instruments have not read this image",
		"<b>adherence</b>", "<b>style</b>"} {
		if !strings.Contains(body, want) {
			t.Errorf("the profile lacks %q", want)
		}
	}
	for _, bad := range []string{"11.9", "11.8", "ZgotmplZ"} {
		if strings.Contains(body, bad) {
			t.Errorf("the profile has %q", bad)
		}
	}
	if n := strings.Count(body, "<em>synthetic</em>"); n != 2 {
		t.Errorf("“synthetic” stands %d times, want in the table and at the gate", n)
	}
	_, copied := s.get(t, "/image/"+s.results[pictures].Digest.String()) // it came without a prompt
	if !strings.Contains(copied, "the image came without a prompt; give --prompt") {
		t.Error("the profile of an image without a prompt does not say what is missing")
	}
}

// TestFormats: what browsers do not show is converted, without loss; thumbnails
// are small and turned upright.
func TestFormats(t *testing.T) {
	s := &site{db: openStore(t)}
	s.series = openSeries(t, s.db, "formats", series.Options{Warmup: 1000})
	wide := image.NewNRGBA(image.Rect(0, 0, 900, 300))
	glass := image.NewNRGBA(image.Rect(0, 0, 300, 300))
	for i := range wide.Pix {
		wide.Pix[i] = uint8(i*7) | 1
	}
	for y := range 300 {
		for x := range 900 {
			wide.Set(x, y, color.NRGBA{uint8(x), uint8(y), 100, 255})
		}
		for x := range 300 {
			glass.Set(x, y, color.NRGBA{uint8(x), uint8(y), 100, uint8(y)})
		}
	}
	var tif bytes.Buffer
	if err := tiff.Encode(&tif, wide, nil); err != nil {
		t.Fatal(err)
	}
	turned := withOrientation(jpegBytes(wide), 6)
	s.results = add(t, s.series, []series.Input{file("a.png", pngBytes(wide)), file("b.tif", tif.Bytes()), file("c.jpg", turned), file("d.png", pngBytes(glass))})
	var err error
	if s.handler, err = web.New(s.series, s.db, web.Options{}); err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		kind, thumb string
		w, h        int // of the thumbnail
	}{
		{"image/png", "image/jpeg", 480, 160},
		{"image/png", "image/jpeg", 480, 160},
		{"image/jpeg", "image/jpeg", 160, 480},
		{"image/png", "image/png", 240, 240},
	} {
		id := s.results[i].Digest.String()
		full, body := s.get(t, "/blob/"+id)
		if full.StatusCode != 200 || full.Header.Get("Content-Type") != c.kind {
			t.Errorf("%s: %d %s, want %s", s.results[i].Path, full.StatusCode, full.Header.Get("Content-Type"), c.kind)
		}
		if !strings.Contains(full.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: cache %q", s.results[i].Path, full.Header.Get("Cache-Control"))
		}
		if i == 1 {
			got, err := png.Decode(strings.NewReader(body))
			if err != nil || got.Bounds() != wide.Bounds() {
				t.Fatalf("the TIFF as PNG: %v", err)
			}
			for range 1000 {
				x, y := rand.IntN(900), rand.IntN(300)
				if r, g, b, a := got.At(x, y).RGBA(); r>>8 != uint32(uint8(x)) || g>>8 != uint32(uint8(y)) || b>>8 != 100 || a>>8 != 255 {
					t.Fatalf("the TIFF as PNG has %v at %d, %d", got.At(x, y), x, y)
				}
			}
		}
		small, body := s.get(t, "/thumb/"+id)
		cfg, _, err := image.DecodeConfig(strings.NewReader(body))
		if err != nil || small.Header.Get("Content-Type") != c.thumb || cfg.Width != c.w || cfg.Height != c.h {
			t.Errorf("%s: thumbnail %v, %s %d×%d, want %s %d×%d", s.results[i].Path, err, small.Header.Get("Content-Type"), cfg.Width, cfg.Height, c.thumb, c.w, c.h)
		}
		for _, target := range []string{"/blob/" + id, "/thumb/" + id} {
			first, _ := s.get(t, target)
			again := request("GET", target, "")
			again.Header.Set("If-None-Match", first.Header.Get("ETag"))
			if res, body := s.do(t, again); res.StatusCode != http.StatusNotModified || body != "" {
				t.Errorf("%s asked again: %d with %d bytes", target, res.StatusCode, len(body))
			}
		}
	}
	if _, page := s.get(t, "/image/"+s.results[2].Digest.String()); !strings.Contains(page, `width="300" height="900"`) {
		t.Error("the page of the turned picture does not give its size as shown")
	}
}

// withOrientation puts an EXIF orientation into a JPEG.
func withOrientation(data []byte, orientation byte) []byte {
	exif := append([]byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00"), orientation, 0, 0, 0, 0, 0, 0)
	n := len(exif) + 2
	head := append([]byte{0xff, 0xd8, 0xff, 0xe1, byte(n >> 8), byte(n)}, exif...)
	return append(head, data[2:]...)
}

type reply struct {
	Error, Remedy, Said, Reason string
	Judgment                    assay.Judgment
	Pair, Next                  int
	Round                       int64
}

func TestAnswers(t *testing.T) {
	s := newSite(t, web.Options{Rater: "eve"})
	var r reply
	if code := s.postJSON(t, "/compare/round", map[string]int{"pairs": 3}, &r); code != 200 || r.Round == 0 {
		t.Fatalf("round: %d %+v", code, r)
	}
	round := r.Round
	ask := func(pair int, outcome assay.Outcome, grade int) (int, reply) {
		var r reply
		code := s.postJSON(t, "/compare/answer", map[string]any{"round": round, "pair": pair, "outcome": outcome, "grade": grade, "latency_ms": 1500}, &r)
		return code, r
	}
	for _, bad := range []struct {
		pair, grade int
		outcome     assay.Outcome
	}{{0, 2, assay.Left}, {0, 0, "maybe"}, {3, 0, assay.Tie}, {-1, 0, assay.Tie}, {0, 1, assay.Tie}} {
		if code, r := ask(bad.pair, bad.outcome, bad.grade); code != 400 || r.Error == "" {
			t.Errorf("%+v: %d %+v, want 400", bad, code, r)
		}
	}
	if n := len(s.judgments(t)); n != 0 {
		t.Fatalf("refused answers left %d judgments", n)
	}
	code, first := ask(0, assay.Left, -2)
	if got := s.judgments(t); code != 200 || len(got) != 1 || got[0].ID != first.Judgment.ID || got[0].Rater != "eve" || got[0].Latency != 1500*time.Millisecond {
		t.Fatalf("%d %+v, store has %+v", code, first, got)
	}
	if first.Next != 1 || first.Reason == "" || first.Said != "left much better" {
		t.Errorf("%+v", first)
	}
	for _, again := range []assay.Outcome{assay.Left, assay.Right} {
		grade := map[assay.Outcome]int{assay.Left: -2, assay.Right: 1}[again]
		if code, r := ask(0, again, grade); code != 409 || r.Judgment.ID != first.Judgment.ID || r.Next != 1 {
			t.Errorf("answered again with %s: %d %+v", again, code, r)
		}
	}
	if n := len(s.judgments(t)); n != 1 {
		t.Errorf("%d judgments stand, want 1", n)
	}
	ask(1, assay.Skip, 0)
	code, last := ask(2, assay.Right, 1)
	if code != 200 || last.Next != -1 {
		t.Errorf("last: %d %+v", code, last)
	}
	_, done := s.get(t, "/compare?round="+fmt.Sprint(round))
	if !strings.Contains(done, "Thank you") || !strings.Contains(done, first.Reason) {
		t.Error("the end of the round lacks thanks or the reasons")
	}

	undo := func(pair int, judgment int64) (int, reply) {
		var r reply
		code := s.postJSON(t, "/compare/undo", map[string]any{"round": round, "pair": pair, "judgment": judgment}, &r)
		return code, r
	}
	if code, _ := undo(0, first.Judgment.ID); code != 409 {
		t.Errorf("undo of an answer that is not the latest: %d, want 409", code)
	}
	for range 2 {
		if code, r := undo(2, last.Judgment.ID); code != 200 || r.Next != 2 {
			t.Errorf("undo: %d %+v", code, r)
		}
		if n := len(s.judgments(t)); n != 2 {
			t.Errorf("%d judgments stand after undo, want 2", n)
		}
	}
}

// TestChanges: a win over the elite makes a new one, and the end of the round
// says so.
func TestChanges(t *testing.T) {
	s := newSite(t, web.Options{})
	round, _, err := s.series.OpenRound(t.Context(), "me", 5)
	if err != nil {
		t.Fatal(err)
	}
	view, err := s.series.View(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	contested := 0
	for i, p := range round.Pairs {
		outcome, grade := assay.Left, -1
		if _, how, _ := view.Archive.Where(p.Right); how == assay.Challenger {
			outcome, grade = assay.Right, 1
		}
		if a, _, _ := view.Archive.Where(p.Left); func() bool { b, _, _ := view.Archive.Where(p.Right); return a == b }() {
			contested++
		}
		if code := s.postJSON(t, "/compare/answer", map[string]any{"round": round.ID, "pair": i, "outcome": outcome, "grade": grade}, &reply{}); code != 200 {
			t.Fatalf("pair %d: %d", i, code)
		}
	}
	if view, err = s.series.View(t.Context()); err != nil {
		t.Fatal(err)
	}
	var changed []archive.Event
	for c := range view.Archive.Cells() {
		for _, e := range c.History {
			if e.Kind == archive.KindImproved {
				changed = append(changed, e)
			}
		}
	}
	if contested == 0 || len(changed) == 0 {
		t.Fatalf("%d pairs were of one cell, %d cells changed: the test tests nothing", contested, len(changed))
	}
	_, body := s.get(t, "/compare?round="+fmt.Sprint(round.ID))
	if n := strings.Count(body, "new elite</span>"); n != len(changed) {
		t.Errorf("the page tells of %d changes, want %d", n, len(changed))
	}
}

// TestNothingToCompare: a series of one image says so instead of asking.
func TestNothingToCompare(t *testing.T) {
	s := &site{db: openStore(t)}
	s.series = openSeries(t, s.db, "one", series.Options{Warmup: 1000})
	var err error
	if s.handler, err = web.New(s.series, s.db, web.Options{}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // empty, then with one image
		for _, target := range []string{"/", "/map.json", "/compare"} {
			if res, body := s.get(t, target); res.StatusCode != 200 {
				t.Errorf("%s: %d %s", target, res.StatusCode, body)
			}
		}
		var r reply
		if code := s.postJSON(t, "/compare/round", struct{}{}, &r); code != 503 || !strings.Contains(r.Error, "needs two") {
			t.Errorf("a round of nothing: %d %+v", code, r)
		}
		add(t, s.series, []series.Input{file("a.png", pngBytes(drawing(1)))})
	}
}

// TestLargeGrid: four axes and many cells are cut and windowed, and what is not
// shown is counted.
func TestLargeGrid(t *testing.T) {
	s := &site{db: openStore(t)}
	s.series = openSeries(t, s.db, "large", series.Options{Warmup: 1000, Axes: []assay.Axis{
		{Descriptor: "warmth", Lo: -30, Hi: 30, Cells: 100}, {Descriptor: "edge-density", Lo: 0, Hi: 0.5, Cells: 50},
		{Descriptor: "lightness", Lo: 0, Hi: 100, Cells: 3}, {Descriptor: "entropy", Lo: 0, Hi: 8, Cells: 2},
	}})
	var inputs []series.Input
	for n := range 12 {
		inputs = append(inputs, file(fmt.Sprint(n), pngBytes(drawing(n))))
	}
	s.results = add(t, s.series, inputs)
	var err error
	if s.handler, err = web.New(s.series, s.db, web.Options{}); err != nil {
		t.Fatal(err)
	}
	res, body := s.get(t, "/")
	if n := strings.Count(body, "<td id="); res.StatusCode != 200 || n != 40*40 {
		t.Errorf("%d, %d cells on the page, want 1600", res.StatusCode, n)
	}
	for _, want := range []string{"Cut through lightness", "Cut through entropy", "outside of this part", "higher warmth"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	// Every image's page links to a map that shows its cell.
	for _, r := range s.results {
		_, page := s.get(t, "/image/"+r.Digest.String())
		_, rest, ok := strings.Cut(page, `<a href="/?`)
		link, _, _ := strings.Cut(rest, `"`)
		target, cell, found := strings.Cut(strings.ReplaceAll(link, "&amp;", "&"), "#")
		if !ok || !found {
			t.Fatalf("image %d has no link to the map", r.Seq)
		}
		if _, body := s.get(t, "/?"+target); !strings.Contains(body, `id="`+cell+`"><a`) {
			t.Errorf("image %d: the map at %s does not show %s", r.Seq, target, cell)
		}
	}
}

// TestManyAtOnce asks for everything from several sides while images arrive.
func TestManyAtOnce(t *testing.T) {
	s := newSite(t, web.Options{})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 6 {
				id := s.results[(g*7+i)%pictures].Digest.String()
				for _, target := range []string{"/", "/map.json", "/thumb/" + id, "/image/" + id, "/blob/" + id} {
					if res, body := s.get(t, target); res.StatusCode != 200 {
						t.Errorf("%s: %d %.200s", target, res.StatusCode, body)
					}
				}
			}
		})
	}
	add(t, s.series, []series.Input{file("x.png", pngBytes(drawing(50))), file("y.png", pngBytes(drawing(61)))})
	wg.Wait()
}
