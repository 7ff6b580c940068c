package gate_test

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/gate"
	"github.com/gen-emerge/assay/stat"
)

func imageNo(n uint64) (id assay.Digest) {
	binary.BigEndian.PutUint64(id[:], n*0x9e3779b97f4a7c15+1)
	return id
}

func TestPeople(t *testing.T) {
	var labels []gate.Label
	for k := range 100 {
		labels = append(labels, gate.Label{Image: imageNo(uint64(k)), Value: float64(k), Good: true})
	}
	for k := range 20 {
		labels = append(labels, gate.Label{Image: imageNo(uint64(1000 + k)), Value: float64(k) - 18})
	}
	c, err := gate.People(labels, gate.Higher, gate.PeopleOptions{Accepted: 120})
	if err != nil {
		t.Fatal(err)
	}
	// P(Bin(100, 0.05) ≤ 1) = 0.037, ≤ 2 = 0.118: the second smallest of 0 … 99.
	if ev := c.Evidence.People; c.Value != 1 || c.Fails != gate.Below || c.Mode != assay.Calibrated || c.Source != "people" ||
		ev.K != 2 || ev.N != 100 || ev.Caught.K != 19 || !ev.Worth || ev.Audited != 0 {
		t.Errorf("%+v, evidence %+v", c, ev)
	}
	for k := range labels {
		labels[k].Value = -labels[k].Value
	}
	if c, err = gate.People(labels, gate.Lower, gate.PeopleOptions{Accepted: 120}); err != nil || c.Value != -1 || c.Fails != gate.Above {
		t.Errorf("mirrored: %+v, %v", c, err)
	}
	var short *stat.ShortageError
	if _, err = gate.People(labels[:45], gate.Lower, gate.PeopleOptions{Accepted: 45}); !errors.As(err, &short) || !strings.Contains(err.Error(), "14 more good images to promise 5 %") {
		t.Errorf("45 of 59: %v", err)
	}
	if _, err = gate.People(labels, gate.Lower, gate.PeopleOptions{Accepted: 120, Refused: 10}); !errors.Is(err, assay.ErrUnavailable) || !strings.Contains(err.Error(), "none of them audited") {
		t.Errorf("no audits: %v", err)
	}
	bad := []gate.Label{{Value: math.NaN(), Good: true}}
	if _, err = gate.People(bad, gate.Lower, gate.PeopleOptions{Accepted: 1}); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("NaN: %v", err)
	}
	if _, err = gate.People(labels, "bigger", gate.PeopleOptions{Accepted: 120}); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("direction: %v", err)
	}
}

// The promise is kept: of many series whose gate already refuses a third of the
// good images, the share in which the new threshold fails more than 5 % of good
// images is at most 5 %, beyond chance. From what the gate let through alone it is
// broken nearly always: audits are what makes it true.
func TestPeopleKeepsItsPromise(t *testing.T) {
	runs := 300
	if os.Getenv("ASSAY_TEST_LONG") != "" {
		runs = 2000
	}
	rng := rand.New(rand.NewPCG(2, 8))
	broken := func(audits bool) (n int) {
		for range runs {
			var labels []gate.Label
			accepted, refused := 0, 0
			for k := range 1500 {
				good := rng.Float64() < 0.7
				value := rng.NormFloat64()
				if !good {
					value -= 1.5
				}
				l := gate.Label{Image: imageNo(rng.Uint64()), Value: value, Good: good, Refused: value < -0.4}
				if l.Refused {
					refused++
				} else {
					accepted++
				}
				if rng.Float64() < map[bool]float64{true: 0.12, false: 0.4}[l.Refused] && (audits || !l.Refused) {
					labels = append(labels, l)
				}
				_ = k
			}
			if !audits {
				refused = 0 // as if nothing had been refused
			}
			c, err := gate.People(labels, gate.Higher, gate.PeopleOptions{Accepted: accepted, Refused: refused})
			if err != nil {
				t.Fatal(err)
			}
			if fails := math.Erfc(-c.Value/math.Sqrt2) / 2; fails > 0.05 {
				n++
			}
		}
		return n
	}
	kept, lost := broken(true), broken(false)
	t.Logf("of %d series the promise is broken in %d with audits, in %d without", runs, kept, lost)
	upper, err := stat.ClopperPearsonLower(kept, runs, 0.999)
	if err != nil || upper > 0.05 {
		t.Errorf("%d of %d promises at 5 %% are broken", kept, runs)
	}
	if lost < runs*9/10 {
		t.Errorf("without audits only %d of %d are broken: the test could not fail", lost, runs)
	}
}
