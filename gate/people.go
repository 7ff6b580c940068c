package gate

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/stat"
)

// A Label is what a person's judgments make of one image, with what the gate's
// instrument reads of it.
type Label struct {
	Image   assay.Digest
	Value   float64
	Good    bool
	Refused bool // the image was kept off the map: it was judged because it was audited
}

// PeopleOptions adjust [People]. The zero PeopleOptions promises, with
// probability 0.95, that at most 5 % of good images fail.
type PeopleOptions struct {
	Alpha    float64 // largest share of good images that may fail; 0 means 0.05
	Delta    float64 // probability that the promise is wrong; 0 means 0.05
	Accepted int     // images on the map that have a reading, judged or not
	Refused  int     // images kept off the map that have one
}

// PeopleEvidence is what [People] computed.
type PeopleEvidence struct {
	stat.Threshold
	Better  string `json:"better"`           // [Higher] or [Lower]
	Good    int    `json:"good"`             // images that people call good
	Bad     int    `json:"bad"`              // likewise bad
	Audited int    `json:"audited"`          // of both, that had been refused
	Thinned int    `json:"thinned"`          // good ones left out, so that both strata count as they occur
	Caught  *Share `json:"caught,omitempty"` // bad ones that fail; 95 % Wilson interval. Absent if there are none
	Worth   bool   `json:"worth"`            // the bad fail oftener than good ones may: enforcing it is supported
}

// People returns the strictest threshold whose share of failing good images is at
// most alpha, promised with probability 1−delta over the images that people
// judged: an order statistic of the readings of good images (the Neyman–Pearson
// umbrella algorithm, Tong, Feng and Li, Science Advances 4, 2018). Better is
// [Higher] or [Lower].
//
// A gate hides its own mistakes: what is refused is seldom judged, and a threshold
// learned from what it let through would creep on for ever. So images that were
// refused and audited stand in for all refused ones: of the stratum that was
// judged more, good images are left out at random (by the hash of their names)
// until both strata are judged at one rate, and then the promise holds for images
// as they come. Where something was refused and nothing of it audited there is no
// threshold.
//
// Too few good images give an error that wraps a [*stat.ShortageError]; values
// that are not finite and options out of range one wrapping [assay.ErrInvalid]. The
// mode is Calibrated: enforcing is another decision, see [PeopleEvidence.Worth].
func People(labels []Label, better string, opt PeopleOptions) (Calibration, error) {
	if better != Higher && better != Lower {
		return Calibration{}, fmt.Errorf("people: better %q: want %s or %s: %w", better, Higher, Lower, assay.ErrInvalid)
	}
	if opt.Alpha == 0 {
		opt.Alpha = 0.05
	}
	if opt.Delta == 0 {
		opt.Delta = 0.05
	}
	ev := PeopleEvidence{Better: better}
	judged := map[bool]int{} // by whether it was refused
	for _, l := range labels {
		if math.IsNaN(l.Value) || math.IsInf(l.Value, 0) {
			return Calibration{}, fmt.Errorf("people: the reading of %s is %g: %w", l.Image.Short(), l.Value, assay.ErrInvalid)
		}
		judged[l.Refused]++
		if l.Good {
			ev.Good++
		} else {
			ev.Bad++
		}
	}
	if opt.Accepted < judged[false] || opt.Refused < judged[true] {
		return Calibration{}, fmt.Errorf("people: %d and %d images judged of %d accepted and %d refused: %w",
			judged[false], judged[true], opt.Accepted, opt.Refused, assay.ErrInvalid)
	}
	ev.Audited = judged[true]
	keep, err := strata(judged, opt)
	if err != nil {
		return Calibration{}, err
	}
	var sample []float64
	for _, l := range labels {
		switch {
		case !l.Good:
		case hashed(l.Image) < keep[l.Refused]:
			sample = append(sample, l.Value)
		default:
			ev.Thinned++
		}
	}
	c := Calibration{Fails: Below, Mode: assay.Calibrated, Source: "people"}
	threshold := stat.LowThreshold
	if better == Lower {
		c.Fails, threshold = Above, stat.HighThreshold
	}
	if ev.Threshold, err = threshold(sample, opt.Alpha, opt.Delta); err != nil {
		var short *stat.ShortageError
		if errors.As(err, &short) {
			return Calibration{}, fmt.Errorf("%d more good images to promise %g %%: %w", short.Need-short.Have, 100*opt.Alpha, err)
		}
		return Calibration{}, err
	}
	c.Value = ev.Value
	c.Reason = ev.catches(labels, c)
	c.Evidence.People = &ev
	return c, nil
}

// strata returns with what chance a good image of each stratum counts.
func strata(judged map[bool]int, opt PeopleOptions) (map[bool]float64, error) {
	keep := map[bool]float64{false: 1, true: 1}
	if opt.Refused == 0 || opt.Accepted == 0 {
		return keep, nil
	}
	if judged[true] == 0 {
		return nil, fmt.Errorf("%d images were refused and none of them audited: what the gates lose nobody has seen; rounds of four pairs or more show some: %w",
			opt.Refused, assay.ErrUnavailable)
	}
	accepted, refused := float64(judged[false])/float64(opt.Accepted), float64(judged[true])/float64(opt.Refused)
	if accepted > refused {
		keep[false] = refused / accepted
	} else if refused > 0 {
		keep[true] = accepted / refused
	}
	return keep, nil
}

// hashed is a number in [0,1) that an image's name decides.
func hashed(id assay.Digest) float64 {
	sum := sha256.Sum256(append([]byte("assay people\n"), id[:]...))
	return float64(binary.BigEndian.Uint64(sum[:8])>>11) / (1 << 53)
}

// catches counts the bad images that a threshold fails, and says what it is worth.
func (ev *PeopleEvidence) catches(labels []Label, c Calibration) string {
	said := fmt.Sprintf("with probability %g at most %g %% of the images that you call good fail (order statistic %d of %d)", 1-ev.Delta, 100*ev.Alpha, ev.K, ev.N)
	if ev.Bad == 0 {
		return said + "; no image is called bad yet, so nothing says that it catches any"
	}
	caught := 0
	for _, l := range labels {
		if !l.Good && (c.Fails == Below && l.Value < c.Value || c.Fails == Above && l.Value > c.Value) {
			caught++
		}
	}
	ci, err := stat.Wilson(caught, ev.Bad, 0.95)
	if err != nil { // the counts are in order
		return said
	}
	ev.Caught = &Share{K: caught, N: ev.Bad, P: float64(caught) / float64(ev.Bad), Lo: ci.Lo, Hi: ci.Hi}
	if ev.Worth = ci.Lo > ev.Alpha; ev.Worth {
		return fmt.Sprintf("%s, and %d of %d that you call bad do", said, caught, ev.Bad)
	}
	return fmt.Sprintf("%s, but only %d of %d that you call bad do: it cannot be told from chance", said, caught, ev.Bad)
}
