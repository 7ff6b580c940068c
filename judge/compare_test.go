package judge

import (
	"errors"
	"image/color"
	"math"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
	"github.com/gen-emerge/assay/pixel"
)

// shownFirst returns the digest of the picture that a request shows first.
func shownFirst(r vlm.Request) assay.Digest {
	for _, p := range r.Parts {
		if p.Image != nil {
			return p.Image.Digest
		}
	}
	return assay.Digest{}
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func side2(p float64) vlm.Reply { return words("first", .97*p, "second", .97*(1-p), "equal", .001) }

func TestCompareAveragesBothOrders(t *testing.T) {
	a, b := subject("a"), subject("b")
	for _, c := range []struct {
		name         string
		whenA, whenB float64 // P("first") with A and with B first
		p            float64
		outcome      assay.Outcome
		flag         string
	}{
		{"clear", .9, .2, .85, assay.Left, ""},
		{"clear the other way", .2, .9, .15, assay.Right, ""},
		{"biased to the first, A better", .95, .55, .7, assay.Left, "the orders disagree"},
		{"always first", .97, .97, .5, assay.Tie, "the orders disagree"},
		{"too close", .57, .45, .56, assay.Tie, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, f := model(canLogProbs, func(r vlm.Request) (vlm.Reply, error) {
				if shownFirst(r) == a.Sent.Digest {
					return side2(c.whenA), nil
				}
				return side2(c.whenB), nil
			})
			got, err := Compare(t.Context(), m, a, b, Options{Series: "s", Reason: "the elite of its cell"})
			if err != nil {
				t.Fatal(err)
			}
			near(t, "P", got.P, c.p, 1e-3)
			near(t, "first order", got.FirstOrder.P, c.whenA, 1e-3)
			near(t, "second order", got.SecondOrder.P, 1-c.whenB, 1e-3)
			if got.Outcome != c.outcome || strings.Join(got.Flags, ";") != c.flag || !strings.HasPrefix(got.Reason, "the elite of its cell") {
				t.Errorf("%s, flags %q, reason %q", got.Outcome, got.Flags, got.Reason)
			}
			if got.A != a.Image || got.B != b.Image || got.Series != "s" || got.Margin != .1 || got.Criterion != DefaultCriterion().String() {
				t.Errorf("%+v", got)
			}
			if f.count() != 2 {
				t.Errorf("%d requests", f.count())
			}
			for _, r := range f.requests {
				if n := len(r.Parts); n != 5 || r.Parts[0].Text != "First picture:" || r.Parts[2].Text != "Second picture:" || !strings.HasSuffix(r.Parts[4].Text, oneSide) {
					t.Errorf("%+v", r.Parts)
				}
			}
		})
	}
}

func TestCompareSamples(t *testing.T) {
	a, b := subject("a"), subject("b")
	m, f := model(canNothing, nil)
	f.answer = func(r vlm.Request) (vlm.Reply, error) {
		if shownFirst(r) == a.Sent.Digest {
			return says([]string{"First", "equal", "first.", "First", "second"}[r.Sample/10%5]), nil
		}
		return says("second"), nil
	}
	got, err := Compare(t.Context(), m, a, b, Options{})
	if err != nil {
		t.Fatal(err)
	}
	// 3 first, 1 second, 1 equal; then 5 of 5 for A
	near(t, "first order", got.FirstOrder.P, (3.5+.5)/6, 1e-12)
	near(t, "second order", got.SecondOrder.P, 5.5/6, 1e-12)
	if got.FirstOrder.Yes != 3 || got.SecondOrder.Yes != 5 || got.FirstOrder.Method != assay.BySamples || got.Outcome != assay.Left {
		t.Errorf("%+v", got)
	}
}

func TestCompareAbstains(t *testing.T) {
	a, b := subject("a"), subject("b")
	refuseWith := func(first assay.Digest) func(vlm.Request) (vlm.Reply, error) {
		return func(r vlm.Request) (vlm.Reply, error) {
			if first.IsZero() || shownFirst(r) == first {
				return vlm.Reply{Refusal: "no"}, nil
			}
			return side2(.9), nil
		}
	}
	for name, c := range map[string]struct {
		first  assay.Digest
		p      float64
		reason string
	}{
		"both orders":  {assay.Digest{}, .5, "not decided: refused: no"},
		"first order":  {a.Sent.Digest, .1, "not decided: with A first there was no answer (refused: no)"},
		"second order": {b.Sent.Digest, .9, "not decided: with B first there was no answer (refused: no)"},
	} {
		m, _ := model(canLogProbs, refuseWith(c.first))
		got, err := Compare(t.Context(), m, a, b, Options{})
		if err != nil || got.Outcome != assay.Skip || got.Reason != c.reason {
			t.Errorf("%s: %s %q %v", name, got.Outcome, got.Reason, err)
		}
		near(t, name, got.P, c.p, 1e-3)
	}
	m, _ := model(canLogProbs, func(vlm.Request) (vlm.Reply, error) { return vlm.Reply{}, errGone })
	if got, err := Compare(t.Context(), m, a, b, Options{}); !errors.Is(err, errGone) || got.Outcome != "" {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := Compare(t.Context(), m, a, Subject{}, Options{}); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("no picture: %v", err)
	}
}

// "Equal" is an answer: half for each.
func TestCompareEqual(t *testing.T) {
	m, _ := model(canLogProbs, func(vlm.Request) (vlm.Reply, error) {
		return words("equal", .8, "first", .12, "second", .04), nil
	})
	got, err := Compare(t.Context(), m, subject("a"), subject("a"), Options{})
	if err != nil || got.Outcome != assay.Tie {
		t.Fatalf("%+v %v", got, err)
	}
	near(t, "first", got.FirstOrder.P, .52/.96, 1e-9)
	near(t, "P", got.P, .5, 1e-9)
}

func TestCompareFamily(t *testing.T) {
	a, b := subject("a"), subject("b")
	a.Family = "Qwen"
	m, f := model(canLogProbs, func(vlm.Request) (vlm.Reply, error) { return side2(.5), nil })
	got, err := Compare(t.Context(), m, a, b, Options{})
	if err != nil || got.Outcome != assay.Skip || f.count() != 0 || got.P != .5 {
		t.Fatalf("%+v %v", got, err)
	}
	want := "same family as the generator of A"
	if got.Reason != "not asked: "+want || len(got.Flags) != 1 || got.Flags[0] != want {
		t.Errorf("%q %q", got.Reason, got.Flags)
	}
	got, err = Compare(t.Context(), m, a, b, Options{SameFamily: true})
	if err != nil || got.Outcome != assay.Tie || f.count() != 2 || got.Flags[0] != want {
		t.Errorf("%+v %v", got, err)
	}
	m.Family = ""
	if got, err = Compare(t.Context(), m, a, b, Options{}); err != nil || got.Outcome != assay.Tie || len(got.Flags) != 0 {
		t.Errorf("an unknown family: %+v %v", got, err)
	}
}

func TestCriterion(t *testing.T) {
	a, b := subject("a"), subject("b")
	a.Prompt, b.Prompt = "a boat", "a barn"
	c := Criterion{Name: "met", Text: "shows its prompt better.", WithPrompt: true}
	m, f := model(canLogProbs, func(vlm.Request) (vlm.Reply, error) { return side2(.5), nil })
	got, err := Compare(t.Context(), m, a, b, Options{Criterion: c})
	if err != nil || !strings.HasPrefix(got.Criterion, "met@") || len(got.Criterion) != len("met@")+12 {
		t.Fatalf("%+v %v", got, err)
	}
	if f.asked("The first was made from this prompt:\n<<<\na boat\n>>>\nThe second from this one:\n<<<\na barn") != 1 ||
		f.asked("The first was made from this prompt:\n<<<\na barn") != 1 || f.asked("is the one that shows its prompt better.\n") != 2 {
		t.Error("the prompts do not go with their pictures")
	}
	changed := c
	changed.WithPrompt = false
	if changed.String() == c.String() {
		t.Error("a changed criterion has the same version")
	}
	b.Prompt = ""
	if got, err = Compare(t.Context(), m, a, b, Options{Criterion: c}); err != nil || got.Outcome != assay.Skip {
		t.Errorf("%+v %v", got, err)
	}
}

func TestMontage(t *testing.T) {
	a := drawnSubject(t, 60, 40, color.RGBA{200, 10, 10, 255})
	b := drawnSubject(t, 60, 40, color.RGBA{10, 200, 10, 255})
	m, f := model(vlm.Capabilities{LogProbs: true}, nil)
	firsts := map[assay.Digest]bool{}
	f.answer = func(r vlm.Request) (vlm.Reply, error) {
		pictures := 0
		for _, p := range r.Parts {
			if p.Image == nil {
				continue
			}
			pictures++
			img, _, err := pixel.Decode(t.Context(), p.Image.Data, pixel.Limits{})
			if err != nil {
				return vlm.Reply{}, err
			}
			if img.Width != 120+3*gap || img.Height != 40+2*gap || img.Width != p.Image.Width {
				t.Errorf("canvas of %d×%d", img.Width, img.Height)
			}
			left := img.Pix[3*((gap+20)*img.Width+gap+30):]
			middle := img.Pix[3*((gap+20)*img.Width+gap+60+gap/2):]
			if middle[0] != ground || middle[1] != ground {
				t.Errorf("between the pictures: %v", middle[:3])
			}
			firsts[p.Image.Digest] = true
			if left[0] == 200 {
				return side2(.9), nil
			}
		}
		if pictures != 1 {
			t.Errorf("%d pictures in one request", pictures)
		}
		return side2(.2), nil
	}
	got, err := Compare(t.Context(), m, a, b, Options{Parallel: 1})
	if err != nil || got.Outcome != assay.Left || len(got.Flags) != 1 || !strings.Contains(got.Flags[0], "one canvas") {
		t.Fatalf("%+v %v", got, err)
	}
	near(t, "P", got.P, .85, 1e-2)
	if _, err := Compare(t.Context(), m, a, b, Options{Parallel: 1}); err != nil {
		t.Fatal(err)
	}
	if len(firsts) != 2 {
		t.Errorf("%d different canvases for two orders asked twice: they are not made alike each time", len(firsts))
	}
	m.Limits = vlm.Limits{LongEdge: 150}
	big, err := montage(t.Context(), a.Sent, b.Sent, m.Limits)
	if err != nil || big.Width > 150 {
		t.Errorf("%+v %v", big, err)
	}
	if _, err := montage(t.Context(), a.Sent, b.Sent, vlm.Limits{LongEdge: 50}); !errors.Is(err, assay.ErrInvalid) {
		t.Error(err)
	}
}

// Neither size nor format may tell which picture is better.
func TestAlike(t *testing.T) {
	a := drawnSubject(t, 120, 80, color.RGBA{200, 10, 10, 255})
	b := drawnSubject(t, 60, 60, color.RGBA{10, 200, 10, 255})
	x, y, err := alike(t.Context(), a.Sent, b.Sent, vlm.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if y.Width != 60 || y.Height != 60 || x.Width != 73 || x.Height != 49 || x.MIME != y.MIME {
		t.Errorf("%d×%d %s and %d×%d %s", x.Width, x.Height, x.MIME, y.Width, y.Height, y.MIME)
	}
	p, err := decode(t.Context(), b.Sent)
	if err != nil {
		t.Fatal(err)
	}
	asJPEG, err := encode(p, "image/jpeg", vlm.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	same := drawnSubject(t, 60, 60, color.RGBA{10, 10, 200, 255})
	if x, y, err = alike(t.Context(), same.Sent, asJPEG, vlm.Limits{}); err != nil || x.MIME != "image/jpeg" || y.MIME != "image/jpeg" {
		t.Errorf("%v %v %v", x, y, err)
	}
	if x, y, err = alike(t.Context(), same.Sent, b.Sent, vlm.Limits{}); err != nil || x != same.Sent || y != b.Sent {
		t.Error("pictures that are alike were changed")
	}
	if _, err := encode(p, "image/png", vlm.Limits{Bytes: 10}); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("a limit of ten bytes: %v", err)
	}
}

func TestPanel(t *testing.T) {
	a, b := subject("a").Image, subject("b").Image
	by := func(name string, p float64) assay.Comparison {
		return assay.Comparison{Judge: assay.Judge{Name: name, API: "openai"}, A: a, B: b, Criterion: "art@1", P: p, Outcome: assay.Left}
	}
	turned := by("two", sigmoid(-1))
	turned.A, turned.B, turned.Outcome = b, a, assay.Right
	other := by("five", .9)
	other.A = subject("c").Image
	skipped := by("four", .5)
	skipped.Outcome, skipped.Reason = assay.Skip, "refused: no"
	criterion := by("six", .9)
	criterion.Criterion = "art@2"
	res := Panel([]assay.Comparison{by("one", sigmoid(2)), turned, by("three", sigmoid(-.9)), by("three", sigmoid(.9)), skipped, other, criterion}, .43)
	near(t, "log-odds", res.LogOdds, (2.0+1+0)/3, 1e-9)
	near(t, "P", res.P, sigmoid(1), 1e-9)
	near(t, "effective", res.Effective, 3/(1+2*.43), 1e-12)
	near(t, "spread", res.Spread, 1, 1e-9)
	near(t, "std err", res.StdErr, 1/math.Sqrt(3/1.86), 1e-9)
	if res.Judges != 3 || len(res.LeftOut) != 3 || res.A != a {
		t.Errorf("%+v", res)
	}
	six := make([]assay.Comparison, 6)
	for i := range six {
		six[i] = by(string(rune('a'+i)), .7)
	}
	near(t, "six judges at rho 0.43", Panel(six, .43).Effective, 1.9, .01) // the field's figure
	if one := Panel(six[:1], .43); one.Effective != 1 || one.Spread != 0 || one.StdErr != 0 {
		t.Errorf("%+v", one)
	}
	if none := Panel(nil, .43); none.P != .5 || none.Judges != 0 || none.Effective != 0 {
		t.Errorf("%+v", none)
	}
	if nan := Panel(six, math.NaN()); nan.Effective != 1 {
		t.Errorf("%+v", nan)
	}
}

// A judge that is sure of everything does not outvote the others.
func TestPanelStandardises(t *testing.T) {
	a, b := subject("a").Image, subject("b").Image
	by := func(name string, l float64) assay.Comparison {
		return assay.Comparison{Judge: assay.Judge{Name: name, API: "openai"}, A: a, B: b, P: sigmoid(l), Outcome: assay.Left}
	}
	var reference []assay.Comparison
	for i := range 20 {
		sign := float64(i%2)*2 - 1
		reference = append(reference, by("loud", 4*sign), by("soft", sign))
	}
	res := Panel([]assay.Comparison{by("loud", 4), by("soft", -1)}, .43, reference...)
	near(t, "they cancel", res.LogOdds, 0, 1e-9)
	near(t, "scale", res.Scales[0].RMS, 4, 1e-9)
	res = Panel([]assay.Comparison{by("loud", 4), by("soft", 1)}, .43, reference...)
	near(t, "they agree", res.LogOdds, 2, 1e-9)
	res = Panel([]assay.Comparison{by("loud", 4), by("soft", -1)}, .43, reference[:6]...)
	near(t, "too few pairs", res.LogOdds, 1.5, 1e-9)
}

func TestCompareShowsAlike(t *testing.T) {
	a := drawnSubject(t, 120, 80, color.RGBA{200, 10, 10, 255})
	b := drawnSubject(t, 60, 60, color.RGBA{10, 200, 10, 255})
	m, f := model(canLogProbs, func(vlm.Request) (vlm.Reply, error) { return side2(.5), nil })
	if _, err := Compare(t.Context(), m, a, b, Options{}); err != nil {
		t.Fatal(err)
	}
	for _, r := range f.requests {
		x, y := r.Parts[1].Image, r.Parts[3].Image
		if x.MIME != y.MIME || math.Abs(float64(x.Width*x.Height-y.Width*y.Height)) > 60 {
			t.Errorf("%d×%d %s beside %d×%d %s", x.Width, x.Height, x.MIME, y.Width, y.Height, y.MIME)
		}
	}
}
