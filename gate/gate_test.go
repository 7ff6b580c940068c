package gate

import (
	"math"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
)

// niqe is an identity; reading and threshold make facts of it.
var niqe = assay.Identity{Instrument: "niqe", Version: 2, Checkpoint: "c1", Preparation: "luma", Runtime: "go"}

func reading(v float64, change func(*assay.Reading)) *assay.Reading {
	r := &assay.Reading{Identity: niqe, Image: assay.DigestOf([]byte("x")), Value: v}
	if change != nil {
		change(r)
	}
	return r
}

func threshold(change func(*assay.Threshold)) *assay.Threshold {
	th := &assay.Threshold{Identity: niqe, ID: 3, Gate: "floor", Value: 6.5, Fails: Above, Mode: assay.Enforced, Reason: "refuses 2 of 60"}
	if change != nil {
		change(th)
	}
	return th
}

func TestJudge(t *testing.T) {
	low := func(th *assay.Threshold) { th.Fails = Below }
	for _, c := range []struct {
		name    string
		th      *assay.Threshold
		r       *assay.Reading
		missing string
		want    assay.Verdict
		mode    assay.GateMode
		says    string
	}{
		{"below", threshold(nil), reading(6, nil), "", assay.Pass, assay.Enforced, "niqe 6 is not above 6.5"},
		{"at the value", threshold(nil), reading(6.5, nil), "", assay.Pass, assay.Enforced, "not above"},
		{"above", threshold(nil), reading(math.Nextafter(6.5, 7), nil), "", assay.Fail, assay.Enforced, "refuses 2 of 60"},
		{"infinite", threshold(nil), reading(math.Inf(1), nil), "", assay.Fail, assay.Enforced, "+Inf is above 6.5"},
		{"fails below, below", threshold(low), reading(6, nil), "", assay.Fail, assay.Enforced, "niqe 6 is below 6.5"},
		{"fails below, at", threshold(low), reading(6.5, nil), "", assay.Pass, assay.Enforced, "not below"},
		{"shadow", threshold(func(th *assay.Threshold) { th.Mode = assay.Shadow }), reading(9, nil), "", assay.Fail, assay.Shadow, "refuses nothing"},
		{"no reading", threshold(nil), nil, "niqe is not installed: assay models pull niqe", assay.NotMeasured, assay.Enforced, "models pull niqe"},
		{"nothing", nil, nil, "", assay.NotMeasured, assay.Shadow, "no reading"},
		{"NaN", threshold(nil), reading(math.NaN(), nil), "", assay.NotMeasured, assay.Enforced, "no number"},
		{"no threshold", nil, reading(6, nil), "", assay.Abstain, assay.Shadow, "no threshold yet: run assay gate calibrate --controls"},
		{"suspended", threshold(func(th *assay.Threshold) { th.Mode = assay.Suspended; th.Reason = "drift" }), reading(9, nil), "", assay.Abstain, assay.Suspended, "suspended: drift"},
		{"synthetic reading", threshold(nil), reading(9, func(r *assay.Reading) { r.Synthetic = true }), "", assay.Abstain, assay.Enforced, "synthetic weights never reach a gate"},
		{"synthetic both", threshold(func(th *assay.Threshold) { th.Synthetic = true }), reading(9, func(r *assay.Reading) { r.Synthetic = true }), "", assay.Abstain, assay.Enforced, "synthetic"},
		{"synthetic threshold", threshold(func(th *assay.Threshold) { th.Synthetic = true }), reading(9, nil), "", assay.Abstain, assay.Enforced, "synthetic"},
		{"synthetic, no threshold", nil, reading(9, func(r *assay.Reading) { r.Synthetic = true }), "", assay.Abstain, assay.Shadow, "synthetic"},
		{"int8", threshold(func(th *assay.Threshold) { th.Runtime = "cpu int8" }), reading(9, func(r *assay.Reading) { r.Runtime = "cpu int8" }), "", assay.Abstain, assay.Enforced, `niqe was run on "cpu int8"`},
		{"int8 threshold", threshold(func(th *assay.Threshold) { th.Runtime = "cpu int8" }), reading(9, nil), "", assay.Abstain, assay.Enforced, "8-bit readings reach no gate"},
		{"int8, no threshold", nil, reading(9, func(r *assay.Reading) { r.Runtime = "cpu int8" }), "", assay.Abstain, assay.Shadow, "8-bit"},
		{"synthetic int8", threshold(nil), reading(9, func(r *assay.Reading) { r.Synthetic, r.Runtime = true, "cpu int8" }), "", assay.Abstain, assay.Enforced, "synthetic"},
		{"checkpoint", threshold(nil), reading(9, func(r *assay.Reading) { r.Checkpoint = "c2" }), "", assay.Abstain, assay.Enforced, "checkpoint c1 of niqe, the reading taken with c2; the two cannot be compared: run assay gate calibrate --controls"},
		{"no checkpoint", threshold(nil), reading(9, func(r *assay.Reading) { r.Checkpoint = "" }), "", assay.Abstain, assay.Enforced, "(none)"},
		{"version", threshold(nil), reading(9, func(r *assay.Reading) { r.Version = 3 }), "", assay.Abstain, assay.Enforced, "version 2 of niqe, the reading taken with version 3"},
		{"preparation", threshold(nil), reading(9, func(r *assay.Reading) { r.Preparation = "rgb" }), "", assay.Abstain, assay.Enforced, `"luma", the reading from "rgb"`},
		{"instrument", threshold(nil), reading(9, func(r *assay.Reading) { r.Instrument = "brisque" }), "", assay.Abstain, assay.Enforced, "for niqe, the reading by brisque"},
		{"runtime", threshold(nil), reading(9, func(r *assay.Reading) { r.Runtime = "ort" }), "", assay.Abstain, assay.Enforced, `"go", the reading on "ort"`},
		{"no side", threshold(func(th *assay.Threshold) { th.Fails = "" }), reading(9, nil), "", assay.Abstain, assay.Enforced, "says nothing"},
		{"no mode", threshold(func(th *assay.Threshold) { th.Mode = "" }), reading(9, nil), "", assay.Abstain, "", "says nothing"},
		{"NaN threshold", threshold(func(th *assay.Threshold) { th.Value = math.NaN() }), reading(9, nil), "", assay.Abstain, assay.Enforced, "says nothing"},
	} {
		got := Judge("floor", c.th, c.r, c.missing)
		if got.Verdict != c.want || got.Mode != c.mode || !strings.Contains(got.Reason, c.says) {
			t.Errorf("%s: %q in mode %q because %q; want %q in %q, saying %q", c.name, got.Verdict, got.Mode, got.Reason, c.want, c.mode, c.says)
		}
		if got.Gate != "floor" || got.Reading != c.r || (got.Threshold == nil) != (c.th == nil) {
			t.Errorf("%s: the result lost its gate, reading or threshold: %+v", c.name, got)
		}
		if refuses := Refuses([]assay.GateResult{got}); refuses != (c.want == assay.Fail && c.mode == assay.Enforced) {
			t.Errorf("%s: refuses %v", c.name, refuses)
		}
	}
}

func TestRefuses(t *testing.T) {
	r := func(v assay.Verdict, m assay.GateMode) assay.GateResult { return assay.GateResult{Verdict: v, Mode: m} }
	check := func(want bool, results ...assay.GateResult) {
		t.Helper()
		if got := Refuses(results); got != want {
			t.Errorf("%+v: refuses %v", results, got)
		}
	}
	check(false)
	check(false, r(assay.Fail, assay.Shadow), r(assay.Pass, assay.Enforced), r(assay.NotMeasured, assay.Enforced), r(assay.Abstain, assay.Enforced))
	check(true, r(assay.Pass, assay.Enforced), r(assay.Fail, assay.Enforced))
	check(false, r(assay.Fail, assay.Suspended))
}

func TestRulesAllowInt8(t *testing.T) {
	eight := func(th *assay.Threshold) { th.Runtime = "cpu int8" }
	r := reading(9, func(r *assay.Reading) { r.Runtime = "cpu int8" })
	rules := Rules{AllowInt8: true}
	if got := rules.Judge("floor", threshold(eight), r, ""); got.Verdict != assay.Fail {
		t.Errorf("8-bit like for like, allowed: %s because %s", got.Verdict, got.Reason)
	}
	// Allowing 8 bits does not make them comparable with 32, nor with made-up weights.
	if got := rules.Judge("floor", threshold(nil), r, ""); got.Verdict != assay.Abstain || !strings.Contains(got.Reason, "cannot be compared") {
		t.Errorf("8-bit reading, 32-bit threshold: %s because %s", got.Verdict, got.Reason)
	}
	r.Synthetic = true
	if got := rules.Judge("floor", threshold(eight), r, ""); got.Verdict != assay.Abstain || !strings.Contains(got.Reason, "synthetic") {
		t.Errorf("synthetic 8-bit reading: %s because %s", got.Verdict, got.Reason)
	}
}
