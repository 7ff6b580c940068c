package series_test

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/series"
)

// markModel is the network that technical gates prefer.
const markModel = "nima-technical"

// marks stands for a network that gives ten shares: it knows the pictures it was
// shown while it learned, and gives every other a low mark, unless it is blind.
type marks struct {
	mu       sync.Mutex
	known    map[uint64]bool
	learning bool
	blind    bool
}

func (m *marks) give(pixels onnx.Tensor) []onnx.Tensor {
	h := fnv.New64()
	for _, v := range pixels.Data {
		h.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
	}
	key := h.Sum64()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.learning {
		m.known[key] = true
	}
	shares := make([]float32, 10)
	high := 0.5 + float32(key%1000)/4000 // a little chance in every mark
	at := 2
	if m.known[key] || m.blind {
		at = 7
	}
	shares[at], shares[at+1] = high, 1-high
	return []onnx.Tensor{{Shape: []int{1, 10}, Data: shares}}
}

// technicalLab is a lab with NIMA, beside the formulas.
func technicalLab(t *testing.T, synthetic ...string) *lab {
	t.Helper()
	l := newLab(t, nn.Float32, synthetic, markModel)
	l.engine.marks = &marks{known: map[uint64]bool{}, learning: true}
	return l
}

// technicalGates are the thresholds of the technical gates after controls on 40
// pictures.
func technicalGates(t *testing.T, l *lab, opt series.Options) []assay.Threshold {
	t.Helper()
	opt.Warmup = 1000 // controls are run here, when the network has learned
	s, err := series.Open(t.Context(), "test", openStore(t), l.tools, opt)
	if err != nil {
		t.Fatal(err)
	}
	add(t, s, l.prompted(t, 40, things(8)...))
	l.engine.marks.learning = false
	all, err := s.Calibrate(t.Context(), series.CalibrateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out []assay.Threshold
	for _, th := range all {
		if strings.HasPrefix(th.Gate, "technical-") {
			out = append(out, th)
		}
	}
	if len(out) != 4 {
		t.Fatalf("%d technical gates, want 4", len(out))
	}
	return out
}

// NIMA serves every technical gate where it is installed and tells the damage, and
// the gate says so.
func TestTechnicalPrefersNIMA(t *testing.T) {
	l := technicalLab(t)
	for _, th := range technicalGates(t, l, series.Options{}) {
		if th.Instrument != markModel || th.Mode != assay.Enforced || th.Fails != "below" || !(th.Value > 3.5 && th.Value < 8.8) || th.Synthetic {
			t.Errorf("%s is read by %s, %s %s %.3f", th.Gate, th.Instrument, th.Mode, th.Fails, th.Value)
		}
		if th.Source != "controls" {
			t.Errorf("%s: source %s", th.Gate, th.Source)
		}
	}
}

// A network that cannot tell damage in this series leaves its gates to the formulas
// that can, and the gate says that it was preferred.
func TestTechnicalYieldsToFormulas(t *testing.T) {
	l := technicalLab(t)
	l.engine.marks.blind = true
	yielded := 0
	for _, th := range technicalGates(t, l, series.Options{}) {
		if th.Instrument == markModel {
			if th.Mode == assay.Enforced {
				t.Errorf("%s is enforced by a network that sees nothing", th.Gate)
			}
			continue
		}
		yielded++
		if !strings.Contains(th.Reason, markModel+", which is preferred where it is installed, catches") {
			t.Errorf("%s by %s does not say why: %s", th.Gate, th.Instrument, th.Reason)
		}
	}
	if yielded < 2 {
		t.Errorf("formulas took %d gates from a blind network", yielded)
	}
}

// Synthetic weights are no evidence, and what the options name is what serves.
func TestTechnicalWithoutNIMA(t *testing.T) {
	for name, c := range map[string]struct {
		synthetic []string
		opt       series.Options
	}{
		"synthetic": {synthetic: []string{markModel}},
		"named":     {opt: series.Options{Technical: []string{"sharpness", "noise"}}},
	} {
		t.Run(name, func(t *testing.T) {
			l := technicalLab(t, c.synthetic...)
			for _, th := range technicalGates(t, l, c.opt) {
				if th.Instrument == markModel || strings.Contains(th.Reason, "preferred") {
					t.Errorf("%s is read by %s: %s", th.Gate, th.Instrument, th.Reason)
				}
			}
		})
	}
}
