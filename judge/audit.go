package judge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
	"github.com/gen-emerge/assay/pixel"
)

// Material is what an examination can be made of. Each part may be empty: the
// checks that need it then say that they had not enough data.
type Material struct {
	Subjects  []Subject        // pictures of the series, for controls (where Pixels is set), degraded pairs and questions
	Pairs     []HumanPair      // what people decided; ties are left out
	Answers   []assay.Answer   // people's; the examined judge's own are used too, and save calls
	Questions []assay.Question // the questions in use, twins among them
}

// A HumanPair is a pair of pictures that a person decided.
type HumanPair struct {
	A, B   Subject
	AWins  bool
	Weight float64 // chance of being drawn relative to other pairs, where the calls do not suffice for all; 0 means 1
}

// AuditOptions adjust an examination. The zero AuditOptions is a good choice.
type AuditOptions struct {
	Calls     int              // requests at most; 0 means 200, fewer than 20 are refused
	Seed      uint64           // of every draw
	Parallel  int              // requests at once; 0 means 4
	Ask       Options          // as the judge is asked in use; but Samples 0 means 1 here, see [Audit]
	Absolute  bool             // run the foil as well, see [Foil]
	FoilCalls int              // requests of the foil, beside Calls; 0 means 60
	Limits    pixel.Limits     // for the pictures that are degraded
	Now       func() time.Time // nil means time.Now

	degrade func(data []byte, how string, lim pixel.Limits) (*vlm.Image, error) // Degrade; tests keep what it made
}

const (
	auditCalls = 200
	leastCalls = 20
	foilCalls  = 60
)

func (o AuditOptions) filled() (AuditOptions, error) {
	o.Calls = cmp.Or(o.Calls, auditCalls)
	o.FoilCalls = cmp.Or(o.FoilCalls, foilCalls)
	o.Parallel = cmp.Or(o.Parallel, 4)
	o.Ask.Samples = cmp.Or(o.Ask.Samples, 1)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.degrade == nil {
		o.degrade = Degrade
	}
	if o.Ask.Controls == nil {
		o.Ask.Controls = ImageControls
	}
	if o.Calls < leastCalls || o.FoilCalls < 0 || o.Parallel < 0 {
		return o, fmt.Errorf("examination: %d calls, %d for the foil, %d at once: at least %d, 0 and 1 are needed: %w",
			o.Calls, o.FoilCalls, o.Parallel, leastCalls, assay.ErrInvalid)
	}
	o.Ask.Parallel, o.Ask.Seed, o.Ask.Now = 1, o.Seed, o.Now // the examination itself runs in parallel
	_, err := o.Ask.filled()                                 // only to refuse early: filling twice would forget what was switched off
	return o, err
}

// Audit examines a judge with at most opt.Calls requests: questions with known
// answers, pictures against degraded copies of themselves, and above all the
// pairs and questions that people decided. With at least 20 decided pairs most
// calls go to pairs and the judge's accuracy is measured on them; with fewer it
// comes from the degraded pairs, and is capped.
//
// Every check is a test with a stated error rate; see [Check] and [Report]. What
// is asked is planned before the first request and does not depend on the
// replies, so that the intervals mean what they say. The same seed asks the same
// requests: with a cache around the asker an examination that was cut off goes on
// where it stopped, and opt.Ask.Repeat asks afresh. Replies that had to be asked
// for again count; if they use up the calls, what comes last in the plan is left
// out.
//
// A judge without probabilities draws one answer an order here unless
// opt.Ask.Samples says otherwise, because five would leave a fifth of the pairs;
// the report says so.
//
// The error is the asker's (a budget spent, the context's end, a server gone for
// good) and comes with the report of what was answered until then, whose Stopped
// is set and whose judge is unfit; or it wraps [assay.ErrInvalid] and there is no
// report.
func Audit(ctx context.Context, m vlm.Model, mat Material, opt AuditOptions) (Report, error) {
	opt, err := opt.filled()
	if err != nil {
		return Report{}, err
	}
	m.Judge.Protocol = Protocol
	p, err := drawAgenda(m, mat, opt)
	if err != nil {
		return Report{}, err
	}
	e := &examination{meter: newMeter(m.Asker, opt.Calls), opt: opt, plan: p, m: m}
	e.m.Asker = e.meter
	stopped := e.run(ctx)
	r := e.report(ctx, mat, stopped)
	if stopped == nil && opt.Absolute {
		f, err := Foil(ctx, m, mat.Subjects, mat.Pairs, opt)
		if err != nil {
			return r, err
		}
		f.Pairwise = r.Pairs.counted()
		r.Foil = &f
	}
	return r, stopped
}

// errSpent reports that the examination has made all the requests it may.
var errSpent = errors.New("the examination's calls are spent")
