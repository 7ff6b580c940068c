package series_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/draw"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/ort"
	"github.com/gen-emerge/assay/pixel"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/stat"
	"github.com/gen-emerge/assay/weights"
)

// dataFolder returns the folder of test data; without it the test is skipped, or
// fails where the data are required.
func dataFolder(t *testing.T) string {
	t.Helper()
	root := os.Getenv("ASSAY_TEST_DATA")
	if root == "" {
		root = filepath.Join("..", "..", "shared", "data")
	}
	if _, err := os.Stat(filepath.Join(root, "SOURCES.md")); err != nil {
		lack(t, "data", fmt.Sprintf("no test data (set ASSAY_TEST_DATA): %v", err))
	}
	return root
}

// lack skips a test that needs something, or fails it where that is required.
func lack(t *testing.T, need, why string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("ASSAY_TEST_REQUIRE"), ","), need) {
		t.Fatal(why)
	}
	t.Skip(why)
}

// artistGrids reads every sixth of the 240 artist grids.
func artistGrids(t *testing.T) []image.Image {
	t.Helper()
	folder := filepath.Join(dataFolder(t), "series", "sd_artist_grid")
	index, err := os.ReadFile(filepath.Join(folder, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct{ JPG string }
	if err := json.Unmarshal(index, &rows); err != nil {
		t.Fatal(err)
	}
	var out []image.Image
	for i := 0; i < len(rows); i += 6 {
		data, err := os.ReadFile(filepath.Join(folder, "grid_512", rows[i].JPG))
		if err != nil {
			t.Fatal(err)
		}
		img, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, img)
	}
	return out
}

// A tile is a square part of one of the four subjects of a grid.
type tile struct{ artist, subject, x, y int }

// grids are the tiles of the artist grids, each read once by an eye.
type grids struct {
	t      *testing.T
	images []image.Image
	eye    *eye
	have   map[tile][]float32
}

// tileSide is the side of a tile in pixels.
const tileSide = 128

// An eye turns a picture into a vector that is compared by Euclid.
type eye struct {
	id    assay.Identity
	embed func(*metric.Picture) ([]float32, error)
}

func newGrids(t *testing.T, open func(*testing.T) *eye) *grids {
	return &grids{t: t, images: artistGrids(t), eye: open(t), have: map[tile][]float32{}}
}

func layoutEye(t *testing.T) *eye {
	layout, err := metric.OpenFormula("layout")
	if err != nil {
		t.Fatal(err)
	}
	return &eye{layout.Identity(), func(p *metric.Picture) ([]float32, error) { return layout.Embed(t.Context(), p) }}
}

// channelsEye sees the mean and the standard deviation of each channel of
// SqueezeNet 1.1, at the seven layers of LPIPS: style rather than composition.
// It is no instrument; it stands in for one, on the weights of the test data.
func channelsEye(t *testing.T) *eye {
	t.Helper()
	w, err := weights.Open(filepath.Join(dataFolder(t), "weights", "lpips_squeeze", "lpips_squeeze.pt"), weights.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	b := onnx.NewBuilder(w)
	x := b.Input("image", 1, 3, tileSide, tileSide)
	x = b.Div(b.Sub(x, b.Param("scaling_layer.shift", 1, 3, 1, 1)), b.Param("scaling_layer.scale", 1, 3, 1, 1))
	var all []onnx.Value
	for _, tap := range backbone.SqueezeNet11(b, backbone.LPIPSSqueezeKeys, x) {
		if !backbone.LPIPSSqueezeTap(tap.Index) {
			continue
		}
		mean := b.ReduceMean(tap.Value, true, 2, 3)
		off := b.Sub(tap.Value, mean)
		std := b.Sqrt(b.ReduceMean(b.Mul(off, off), false, 2, 3))
		all = append(all, b.Reshape(mean, 1, tap.Channels), std)
	}
	b.Output("statistics", b.Concat(1, all...))
	for i := range 7 { // of the distance, which is not what is asked here
		b.Param(fmt.Sprintf("lin%d.model.1.weight", i), 1, []int{64, 128, 256, 384, 384, 512, 512}[i], 1, 1)
	}
	m, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	lib, err := ort.Find(t.Context(), ort.FindOptions{})
	if err != nil {
		lack(t, "ort", err.Error())
	}
	rt, err := ort.Open(lib)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rt.Close() })
	run, err := rt.OpenSession(t.Context(), m, ort.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { run.Close() })
	return &eye{assay.Identity{Instrument: "squeezenet-statistics"}, func(p *metric.Picture) ([]float32, error) {
		img := p.RGB()
		out, err := run.Run(t.Context(), onnx.Tensor{Shape: []int{1, 3, img.Height, img.Width}, Data: img.CHWSigned()})
		if err != nil {
			return nil, err
		}
		return out[0].Data, nil
	}}
}

func (g *grids) vector(at tile) []float32 {
	if v := g.have[at]; v != nil {
		return v
	}
	from := image.Pt(at.subject%2*256+at.x, at.subject/2*256+at.y)
	img := image.NewRGBA(image.Rect(0, 0, tileSide, tileSide))
	draw.Draw(img, img.Bounds(), g.images[at.artist], from, draw.Src)
	v, err := g.eye.embed(metric.NewPicture(&pixel.Image{Mode: pixel.RGBA, Width: tileSide, Height: tileSide, Pix: img.Pix}))
	if err != nil {
		g.t.Fatal(err)
	}
	g.have[at] = v
	return v
}

// sequence is a series of tiles in order of time.
func (g *grids) sequence(tiles ...tile) series.Sequence {
	q := series.Sequence{By: g.eye.id, Space: metric.Euclidean, Order: "time"}
	for _, at := range tiles {
		q.Vectors = append(q.Vectors, g.vector(at))
		q.Labels = append(q.Labels, fmt.Sprint(at))
	}
	return q
}

func (g *grids) diagnose(opt series.DiagnoseOptions, tiles ...tile) series.Diagnosis {
	g.t.Helper()
	d, err := series.Diagnose(g.t.Context(), g.sequence(tiles...), opt)
	if err != nil {
		g.t.Fatal(err)
	}
	return d
}

// fortieth is the k-th of forty tiles of an artist: the four subjects in turn, ten
// places in each, the same for every artist.
func fortieth(artist, k int) tile {
	at := rand.New(rand.NewPCG(uint64(k/4), 11))
	return tile{artist, k % 4, at.IntN(256 - 128), at.IntN(256 - 128)}
}

// verdicts are how artists, one at a time, were told from many.
type verdicts struct {
	artists              float64
	ratios, ps, vendi    []float64
	told, alarms, nearer float64
	manyMean, manyVendi  float64
	example              string
}

func (g *grids) judge(opt series.DiagnoseOptions, n int, many func(artist, k int) tile, one func(artist, k int) tile) verdicts {
	var v verdicts
	step := 8
	if os.Getenv("ASSAY_TEST_LONG") != "" {
		step = 1
	}
	for artist := 0; artist < 40; artist += step {
		v.artists++
		var both []tile
		for k := range n {
			both = append(both, many(artist, k))
		}
		for k := range n {
			both = append(both, one(artist, k))
		}
		d := g.diagnose(opt, both...)
		first, last := d.Curve[0], d.Curve[len(d.Curve)-1]
		v.ratios, v.ps, v.vendi = append(v.ratios, *d.Closer.Times), append(v.ps, d.Tests[0].P), append(v.vendi, last.Vendi)
		v.manyMean, v.manyVendi = d.Closer.First.Mean, first.Vendi
		if d.Tests[0].P <= 0.05 {
			v.told++
		}
		if d.Tests[1].P <= 0.05 {
			v.nearer++
		}
		if d.Watch.Raised != nil {
			v.alarms++
		}
		if artist == 8 {
			v.example = d.Sentence + " " + d.Alarm
		}
	}
	g.t.Logf("%s: many artists: mean distance %.4g, Vendi %.2f; one artist: %.2f to %.2f times closer, median %.2f; Vendi median %.2f; p ≤ 0.05 for closer in %g of %g (median p %.4f), for nearer in %g; alarm in %g",
		g.eye.id.Instrument, v.manyMean, v.manyVendi, slices.Min(v.ratios), slices.Max(v.ratios), median(v.ratios), median(v.vendi), v.told, v.artists, median(v.ps), v.nearer, v.alarms)
	g.t.Log("the ninth: " + v.example)
	return v
}

// TestOneArtistOrForty tells a series of one artist from a series of forty of the
// same length. An artist has one grid of four subjects, a picture each, so both
// series are forty tiles of 128 pixels, at the same places of the same subjects
// in turn: all of one artist's grid, or each of another's. Tiles of one picture
// overlap, so that the series of one artist also repeats itself, as "nearer" sees
// in all cases; TestOneArtistTiles does without. Of all forty artists
// (ASSAY_TEST_LONG=1): by layout, closer in 18, 0.82 to 1.62 times, median 1.03:
// what an artist's four subjects share is not composition. By channel statistics,
// in 32, 0.99 to 1.43 times, median 1.14. An alarm in all 40 by either.
func TestOneArtistOrForty(t *testing.T) {
	for _, c := range []struct {
		open         func(*testing.T) *eye
		told, alarms float64 // shares of the artists, at least
	}{{layoutEye, 0.2, 0.95}, {channelsEye, 0.6, 0.95}} {
		g := newGrids(t, c.open)
		v := g.judge(series.DiagnoseOptions{}, 40, func(_, k int) tile { return fortieth(k, k) }, fortieth)
		if v.told < c.told*v.artists || v.alarms < c.alarms*v.artists {
			t.Errorf("%s: told one artist from forty by distance in %g of %g cases, with an alarm in %g", g.eye.id.Instrument, v.told, v.artists, v.alarms)
		}
	}
}

// TestOneArtistTiles is the harder question: sixteen tiles that do not overlap,
// of one grid or of sixteen others. Of forty artists: by layout, closer in 16, by
// channel statistics in 22.
func TestOneArtistTiles(t *testing.T) {
	at := func(artist, k int) tile { return tile{artist, k % 4, k / 4 % 2 * 128, k / 8 * 128} }
	for _, c := range []struct {
		open func(*testing.T) *eye
		told float64 // share of the artists, at least
	}{{layoutEye, 0.1}, {channelsEye, 0.3}} {
		g := newGrids(t, c.open)
		v := g.judge(series.DiagnoseOptions{Window: 16}, 16, func(artist, k int) tile { return at((artist+1+2*k)%40, k) }, at)
		if v.told < c.told*v.artists {
			t.Errorf("%s: told one artist from sixteen in %g of %g cases", g.eye.id.Instrument, v.told, v.artists)
		}
	}
}

// TestStationaryArtists: tiles of many artists in random order raise no more
// alarms than stated.
func TestStationaryArtists(t *testing.T) {
	g := newGrids(t, layoutEye)
	runs, alarms := 20, 0
	for run := range runs {
		rng := rand.New(rand.NewPCG(uint64(run), 5))
		var tiles []tile
		for k := range 120 {
			tiles = append(tiles, fortieth(rng.IntN(40), k%40))
		}
		rng.Shuffle(len(tiles), func(i, j int) { tiles[i], tiles[j] = tiles[j], tiles[i] })
		if d := g.diagnose(series.DiagnoseOptions{Seed: uint64(run)}, tiles...); d.Watch.Raised != nil {
			alarms++
		}
	}
	t.Logf("%d of %d stationary series raised an alarm", alarms, runs)
	if alarms > 5 { // at 5 % more than 5 of 20 happen once in 3000 tests
		t.Errorf("%d of %d stationary series raised an alarm, at a stated rate of 5 %%", alarms, runs)
	}
}

func median(x []float64) float64 {
	m, err := stat.Quantile(x, 0.5)
	if err != nil {
		return math.NaN()
	}
	return m
}
