package gate

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/stat"
)

// The directions of [Floor]: which way of the reading is better.
const (
	Higher = "higher"
	Lower  = "lower"
)

// DefaultFalseRefusal is the share of originals that a floor may refuse.
const DefaultFalseRefusal = 0.05

// minCopies is how many damaged copies of one kind are needed before that kind
// counts as evidence for enforcing. Half of ten caught has a 95 % Wilson interval
// of 0.24 to 0.76; its lower end lies just above 0.22, the bound on false
// refusals with the fewest originals that are accepted. Half of fewer would not
// tell catching damage from refusing at random.
const minCopies = 10

// minDetection is the share of at least one kind of damage that a floor must
// catch to be enforced. A floor that misses most of every damage it was shown
// refuses images for some other reason, and each refusal may lose a good one.
const minDetection = 0.5

// FloorOptions adjust [Floor]. The zero FloorOptions is a good choice.
type FloorOptions struct {
	// FalseRefusal is the largest share of originals that may be refused, above
	// 0 and at most 0.5; 0 means [DefaultFalseRefusal].
	FalseRefusal float64
	// Keep is the share of the damaged copies caught by the tightest floor that
	// the floor must go on catching as it moves away from the originals, above 0
	// and at most 1; 0 means [DefaultKeep].
	Keep float64
}

// DefaultKeep gives up one caught copy in ten for distance from the originals.
const DefaultKeep = 0.9

// FloorEvidence is what [Floor] computed.
type FloorEvidence struct {
	Better string `json:"better"` // [Higher] or [Lower]
	// Alpha is the share of originals that may be refused.
	Alpha float64 `json:"alpha"`
	// FalseRefusal counts the originals refused. Lo is 0; Hi is the one-sided
	// 95 % Clopper–Pearson bound on the share of all such images that would be.
	FalseRefusal Share `json:"false_refusal"`
	// Detection counts the damaged copies refused, of all kinds; 95 % Wilson
	// interval. Absent if there are none.
	Detection *Share       `json:"detection,omitempty"`
	Damages   []DamageRead `json:"damages"` // in order of name
}

// DamageRead is how one kind of damage reads against the floor.
type DamageRead struct {
	Damage   string  `json:"damage"`
	Detected Share   `json:"detected"` // copies refused; 95 % Wilson interval
	Median   float64 `json:"median"`   // reading of the damaged copies
	// Worse counts copies that read worse than their own original, where there
	// is one copy per original in the same order; 95 % Wilson interval. A share
	// near one with poor detection says that the instrument sees the damage but
	// the originals differ too much among themselves for one floor.
	Worse *Share `json:"worse,omitempty"`
}

// Floor returns the reading beyond which an image is technically bad, from the
// readings of the series' own images and of copies damaged on purpose. Better
// is [Higher] or [Lower]. If there are as many copies of a kind of damage as
// originals, copy i is taken to be made from original i; that is only used for
// reporting.
//
// The floor is the highest (lowest) order statistic of the originals such that
// at most a share alpha of them lie strictly beyond it: with k = ⌊alpha·n⌋, the
// (k+1)-th worst. Being a rank, it does not move however bad the k worst of the
// originals are, so that a few damaged works among them do no harm: any number
// up to k. With more than that the floor falls among damaged readings, damaged
// copies pass, and the floor is not enforced.
//
// That is the tightest floor. Where damage reads far worse than that, nothing is
// gained by standing so close to the originals: the floor moves to halfway
// between it and the reading beyond which a share Keep of the copies that it
// caught still lie. It never moves towards the originals.
//
// The share of all images like the originals that the tightest floor would
// refuse lies below the one-sided Clopper–Pearson bound for k of n with at least
// 95 % confidence, and a floor farther out refuses no more. That the tightest
// floor was chosen on the same images does not weaken the bound: the mass beyond
// the (k+1)-th worst of n has the distribution Beta(k+1, n−k), whose quantile
// the bound is. It assumes that later images are like these.
//
// At least 1/alpha originals are needed, 20 for 0.05: with fewer, k is 0 and a
// single damaged work among them would set the floor. The error then wraps
// [assay.ErrUnavailable].
//
// The mode is Enforced if the share of damaged copies caught is above the share
// of originals refused beyond doubt (the lower bound of the one exceeds the
// upper bound of the other), and at least half the copies are caught of one
// kind that has ten copies or more. Else it is Shadow. A reading that is not
// finite, an unknown direction and an alpha out of range are errors wrapping
// [assay.ErrInvalid].
func Floor(originals []float64, damaged map[string][]float64, better string, opt FloorOptions) (Calibration, error) {
	err := opt.check(originals, better)
	if err != nil {
		return Calibration{}, err
	}
	alpha, n := cmp.Or(opt.FalseRefusal, DefaultFalseRefusal), len(originals)
	// The small terms forgive rounding in 0.05·n and 1/0.05.
	if need := int(math.Ceil(1/alpha - 1e-9)); n < need {
		return Calibration{}, fmt.Errorf("floor: %d originals, at least %d are needed to refuse at most %s of them: add images to the series, then run %s: %w",
			n, need, percent(alpha), remedy, assay.ErrUnavailable)
	}
	k := int(math.Floor(alpha*float64(n) + 1e-9))
	sorted := slices.Sorted(slices.Values(originals))
	c := Calibration{Value: sorted[k], Fails: Below}
	if better == Lower {
		c.Value, c.Fails = sorted[n-1-k], Above
	}
	if c.Value, err = standBack(c, damaged, opt.Keep); err != nil {
		return Calibration{}, err
	}
	ev, err := floorEvidence(c, originals, damaged, k)
	if err != nil {
		return Calibration{}, err
	}
	ev.Better, ev.Alpha = better, alpha
	c.Evidence.Floor = &ev
	c.Mode, c.Reason = floorMode(c, ev)
	return c, nil
}

// check refuses arguments of [Floor] that make no sense.
func (opt FloorOptions) check(originals []float64, better string) error {
	if alpha := cmp.Or(opt.FalseRefusal, DefaultFalseRefusal); !(alpha > 0 && alpha <= 0.5) {
		return fmt.Errorf("floor: false refusal %g: want a share above 0 and at most 0.5: %w", alpha, assay.ErrInvalid)
	}
	if keep := cmp.Or(opt.Keep, DefaultKeep); !(keep > 0 && keep <= 1) {
		return fmt.Errorf("floor: keep %g: want a share above 0 and at most 1: %w", keep, assay.ErrInvalid)
	}
	if better != Higher && better != Lower {
		return fmt.Errorf("floor: no direction %q: use %q or %q: %w", better, Higher, Lower, assay.ErrInvalid)
	}
	return checkReadings("floor", "originals", originals)
}

// standBack moves the tightest floor away from the originals, as [Floor] says.
func standBack(c Calibration, damaged map[string][]float64, keep float64) (float64, error) {
	var caught []float64
	for name, copies := range damaged {
		if err := checkReadings("floor", name, copies); err != nil {
			return 0, err
		}
		for _, v := range copies {
			if count([]float64{v}, c.Fails, c.Value) > 0 {
				caught = append(caught, v)
			}
		}
	}
	if len(caught) == 0 {
		return c.Value, nil
	}
	slices.Sort(caught)
	lose := int(math.Floor((1-cmp.Or(keep, DefaultKeep))*float64(len(caught)) + 1e-9))
	edge := caught[len(caught)-1-lose]
	if c.Fails == Above {
		edge = caught[lose]
	}
	return c.Value + (edge-c.Value)/2, nil
}

// floorEvidence counts what the floor does to originals and damaged copies. The
// bound on false refusals is that of k, the rank, also where ties leave fewer
// originals beyond the floor: the rank is what the argument in [Floor] holds for.
func floorEvidence(c Calibration, originals []float64, damaged map[string][]float64, k int) (FloorEvidence, error) {
	upper, err := stat.ClopperPearsonUpper(k, len(originals), 1-miss)
	if err != nil {
		return FloorEvidence{}, fmt.Errorf("floor: %w", err)
	}
	refused := count(originals, c.Fails, c.Value)
	ev := FloorEvidence{FalseRefusal: Share{K: refused, N: len(originals), P: float64(refused) / float64(len(originals)), Hi: upper}}
	caught, copies := 0, 0
	for _, name := range slices.Sorted(maps.Keys(damaged)) {
		if err := checkReadings("floor", name, damaged[name]); err != nil {
			return FloorEvidence{}, err
		}
		if len(damaged[name]) == 0 {
			continue
		}
		d, err := readDamage(name, c, originals, damaged[name])
		if err != nil {
			return FloorEvidence{}, fmt.Errorf("floor: %q: %w", name, err)
		}
		ev.Damages = append(ev.Damages, d)
		caught, copies = caught+d.Detected.K, copies+d.Detected.N
	}
	if copies > 0 {
		all, err := wilson(caught, copies)
		if err != nil {
			return FloorEvidence{}, fmt.Errorf("floor: %w", err)
		}
		ev.Detection = &all
	}
	return ev, nil
}

// readDamage counts what the floor does to one kind of damage.
func readDamage(name string, c Calibration, originals, copies []float64) (d DamageRead, err error) {
	d.Damage = name
	if d.Detected, err = wilson(count(copies, c.Fails, c.Value), len(copies)); err != nil {
		return d, err
	}
	if d.Median, err = stat.Quantile(copies, 0.5); err != nil {
		return d, err
	}
	if len(copies) != len(originals) {
		return d, nil
	}
	worse := 0
	for i, v := range copies {
		worse += count([]float64{v}, c.Fails, originals[i])
	}
	share, err := wilson(worse, len(copies))
	d.Worse = &share
	return d, err
}

// floorMode decides whether a floor may refuse, and says why.
func floorMode(c Calibration, ev FloorEvidence) (assay.GateMode, string) {
	said := fmt.Sprintf("refuses what reads %s %.6g: %d of %d originals (at most %s with 95 %% confidence)",
		c.Fails, c.Value, ev.FalseRefusal.K, ev.FalseRefusal.N, percent(ev.FalseRefusal.Hi))
	if ev.Detection == nil {
		return assay.Shadow, fmt.Sprintf("%s; no damaged copies to tell from them, so the gate only records; %s", said, basis)
	}
	said += fmt.Sprintf(" and %d of %d damaged copies (%s to %s)", ev.Detection.K, ev.Detection.N, percent(ev.Detection.Lo), percent(ev.Detection.Hi))
	catches := slices.ContainsFunc(ev.Damages, func(d DamageRead) bool {
		return d.Detected.N >= minCopies && d.Detected.P >= minDetection
	})
	switch {
	case ev.Detection.Lo > ev.FalseRefusal.Hi && catches:
		return assay.Enforced, fmt.Sprintf("%s; %s", said, basis)
	case !slices.ContainsFunc(ev.Damages, func(d DamageRead) bool { return d.Detected.N >= minCopies }):
		return assay.Shadow, fmt.Sprintf("%s, fewer than %d of any kind, so the gate only records; %s", said, minCopies, basis)
	}
	return assay.Shadow, fmt.Sprintf("%s: it cannot tell damaged copies from originals in this series, so the gate only records; %s", said, basis)
}

// checkReadings refuses what is no reading.
func checkReadings(who, what string, x []float64) error {
	for i, v := range x {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%s: %q: reading %d of %d is %g: leave out what was not measured: %w", who, what, i, len(x), v, assay.ErrInvalid)
		}
	}
	return nil
}
