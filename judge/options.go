package judge

import (
	"cmp"
	"fmt"
	"math"
	"time"

	"github.com/gen-emerge/assay"
)

// Options say how a judge is asked. The zero Options is a good choice.
type Options struct {
	Series string // entered in answers and comparisons
	Reason string // entered in comparisons: why the pair is compared, for people

	Samples int     // answers drawn where a server gives no probabilities, 1 to 1000; 0 means 5. With controls at least 4 are drawn: fewer cannot show one wrong
	Retries int     // of a malformed reply, up to 9; 0 means 2, negative none
	Seed    uint64  // of every random choice: which control, twin and repeat, the order in a batch
	Repeat  int     // 0, or 1, 2, ... to ask all again and not be answered from a cache; entered in answers
	Margin  float64 // from 1/2 that a comparison's P must reach to decide, below 1/2; 0 means 0.1, negative none

	// Controls gives the questions about a picture whose answers are known from
	// its pixels; nil means [ImageControls]. A Subject whose Pixels were not looked
	// at has none, and nothing then catches a judge that is steered by what is
	// painted into the picture.
	Controls    func(p Pixels, seed uint64) []assay.Question
	ControlRate float64 // controls for each question, up to 1; 0 means 0.1, negative none; else at least one of each known answer is asked
	TwinRate    float64 // share of the twins among the questions that is asked; 0 means all, negative none
	RepeatRate  float64 // share of the questions that is asked twice; 0 means 0.05, negative none

	Batch    bool // where a server gives no probabilities: ask a dimension in one JSON reply, for a tenth of the calls and with a halo
	Parallel int  // requests at once, up to 1024; 0 means 4

	Criterion  Criterion // what "better" means in a comparison; the zero Criterion means [DefaultCriterion]
	SameFamily bool      // compare although judge and generator are of one family; it is flagged all the same

	Seeds int // reconstructions that are made of one caption; 0 means 4

	Now func() time.Time // nil means time.Now
}

// The limits keep the numbers of repeats, draws and retries apart in a
// request's Sample.
const (
	maxSamples  = 1000
	maxRetries  = 9
	maxParallel = 1024
	// controlSamples is the least n at which n wrong answers of n have an
	// interval that lies beyond 1/2.
	controlSamples = 4
)

// filled returns o with its defaults, or what is out of range.
func (o Options) filled() (Options, error) {
	o.Samples = cmp.Or(o.Samples, 5)
	o.Retries = cmp.Or(o.Retries, 2)
	o.Margin = cmp.Or(o.Margin, 0.1)
	o.ControlRate = cmp.Or(o.ControlRate, 0.1)
	o.TwinRate = cmp.Or(o.TwinRate, 1)
	o.RepeatRate = cmp.Or(o.RepeatRate, 0.05)
	o.Parallel = cmp.Or(o.Parallel, 4)
	o.Seeds = cmp.Or(o.Seeds, 4)
	if o.Criterion == (Criterion{}) {
		o.Criterion = DefaultCriterion()
	}
	if o.Controls == nil {
		o.Controls = ImageControls
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Retries = max(o.Retries, 0)
	o.Margin = max(o.Margin, 0)
	o.ControlRate, o.TwinRate, o.RepeatRate = max(o.ControlRate, 0), max(o.TwinRate, 0), max(o.RepeatRate, 0)
	for _, x := range []struct {
		name      string
		v, lo, hi float64
	}{
		{"samples", float64(o.Samples), 1, maxSamples},
		{"retries", float64(o.Retries), 0, maxRetries},
		{"repeat", float64(o.Repeat), 0, 1000},
		{"parallel", float64(o.Parallel), 1, maxParallel},
		{"margin", o.Margin, 0, math.Nextafter(0.5, 0)},
		{"control rate", o.ControlRate, 0, 1},
		{"twin rate", o.TwinRate, 0, 1},
		{"repeat rate", o.RepeatRate, 0, 1},
		{"seeds", float64(o.Seeds), 1, 1000},
	} {
		if !(x.v >= x.lo && x.v <= x.hi) {
			return o, fmt.Errorf("judge options: %s %g is not in [%g, %.3g]: %w", x.name, x.v, x.lo, x.hi, assay.ErrInvalid)
		}
	}
	if o.Criterion.Name == "" || o.Criterion.Text == "" {
		return o, fmt.Errorf("judge options: a criterion needs a name and a text, got %q and %q: %w", o.Criterion.Name, o.Criterion.Text, assay.ErrInvalid)
	}
	return o, nil
}

// sample numbers a request: equal ones but for their sample are asked apart.
func (o Options) sample(repeat, draw, retry int) int {
	return ((o.Repeat+repeat)*maxSamples+draw)*(maxRetries+1) + retry
}
