package metric

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"testing"

	"github.com/gen-emerge/assay"
)

// TestPublishedTable: every value is of an instrument that can read it, and the
// pictures that need no file are those whose digests are on record.
func TestPublishedTable(t *testing.T) {
	if len(Published()) < 15 {
		t.Errorf("only %d published values", len(Published()))
	}
	drawn := 0
	for _, v := range Published() {
		spec, ok := Find(v.Instrument)
		if !ok {
			t.Errorf("no instrument %s", v.Instrument)
			continue
		}
		images, values := 1, max(len(v.Prompts), 1)
		if spec.Kind == OfPair || v.How == OfImages {
			images = 2
		}
		if len(v.Inputs) != images || len(v.Values) != values || !(v.Tolerance > 0) || v.Source == "" || v.How == "" ||
			(spec.Kind == OfPrompt) != (len(v.Prompts) > 0 || v.How == OfImages) {
			t.Errorf("%+v does not fit a %s instrument", v, spec.Kind)
		}
		for _, in := range v.Inputs {
			img, ok := in.Drawn()
			if !ok {
				if in.SHA256 != "" && len(in.SHA256) != 64 {
					t.Errorf("%s: digest %q", in.Name, in.SHA256)
				}
				continue
			}
			drawn++
			h := sha256.New()
			for c := range 3 {
				for i := range 224 * 224 {
					h.Write(img.Pix[3*i+c : 3*i+c+1])
				}
			}
			if got := hex.EncodeToString(h.Sum(nil)); got != in.SHA256 {
				t.Errorf("%s: digest %s, want %s", in.Name, got, in.SHA256)
			}
		}
	}
	if drawn < 4 {
		t.Errorf("%d pictures were drawn", drawn)
	}
}

// TestPublishedMeasure: what is asked of the instrument is what was published.
func TestPublishedMeasure(t *testing.T) {
	e := &countingEngine{t: t}
	towers := NewTowers(tinyCache(t, "tiny"), e, TowerOptions{})
	in := towers.mustOpen(t, tinyInstrument("a", "tiny"))
	defer in.Close()
	p, q := tinyPicture(), NewPicture(scene(77, 50, 4, 4))
	read := func(prompt string) float64 {
		r, err := in.MeasurePrompt(t.Context(), p, prompt)
		if err != nil {
			t.Fatal(err)
		}
		return r.Value
	}
	one := []PublishedInput{{}}
	got, err := PublishedValue{Instrument: "a", Inputs: one, Prompts: []string{"x", "y"}, How: AsRead}.Measure(t.Context(), in, p)
	if err != nil || len(got) != 2 || got[0] != read("x") || got[1] != read("y") {
		t.Errorf("as read: %v, %v", got, err)
	}
	got, err = PublishedValue{Instrument: "a", Inputs: one, Prompts: []string{"x", "y"}, How: Softmax}.Measure(t.Context(), in, p)
	if err != nil || len(got) != 2 {
		t.Fatal(got, err)
	}
	near(t, "softmax", got[0], 1/(1+math.Exp(read("y")-read("x"))), 1e-9)
	got, err = PublishedValue{Instrument: "a", Inputs: append(one, one...), How: OfImages}.Measure(t.Context(), in, p, p)
	if err != nil || len(got) != 1 || got[0] != 100 {
		t.Errorf("of one image and itself: %v, %v", got, err)
	}
	got, err = PublishedValue{Instrument: "a", Inputs: append(one, one...), How: OfImages}.Measure(t.Context(), in, p, q)
	if err != nil || len(got) != 1 || got[0] >= 100 {
		t.Errorf("of two images: %v, %v", got, err)
	}
	for _, v := range []PublishedValue{{Instrument: "b", Inputs: one}, {Instrument: "a"}} {
		if _, err := v.Measure(t.Context(), in, p); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%+v: %v", v, err)
		}
	}
	v := PublishedValue{Values: []float64{1, 2}, Tolerance: 0.1}
	if off, ok := v.Agrees([]float64{1.05, 2}); !ok || math.Abs(off-0.05) > 1e-12 {
		t.Errorf("0.05 off: %v %v", off, ok)
	}
	for _, bad := range [][]float64{{1, 2.2}, {1}, {math.NaN(), 2}, {1, math.Inf(1)}, nil} {
		if _, ok := v.Agrees(bad); ok {
			t.Errorf("%v agrees with %v", bad, v.Values)
		}
	}
}
