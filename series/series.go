// Package series makes the moves of an image's life: ingest, measure, gate,
// place, compare, and calibrate.
//
// Facts go to the store as they are learned, one step at a time, so that a run
// that is killed loses nothing and its repetition does nothing twice. What
// follows from the facts (verdicts, the archive, the ranking) is computed from
// them here and can be computed again.
package series

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"time"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/gate"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/pixel"
)

// facts is what a series needs of the store. Every method is durable when it
// returns and harmless when repeated.
type facts interface {
	imageFacts
	measureFacts
	ruleFacts
	peopleFacts
	judgeFacts
	Version(ctx context.Context, series string) (string, error)
}

type imageFacts interface {
	CreateSeries(ctx context.Context, name string) error
	Enter(ctx context.Context, img assay.Image, data []byte, e assay.Entry) (assay.Entry, bool, error)
	Image(ctx context.Context, id assay.Digest) (assay.Image, error)
	Blob(ctx context.Context, id assay.Digest) ([]byte, error)
	Entry(ctx context.Context, series string, id assay.Digest) (assay.Entry, error)
	Entries(ctx context.Context, series string, afterSeq int64, limit int) ([]assay.Entry, error)
	Count(ctx context.Context, series string) (int64, error)
}

type measureFacts interface {
	Record(ctx context.Context, m assay.Measurement) error
	Readings(ctx context.Context, image assay.Digest) ([]assay.Reading, error)
	SeriesReadings(ctx context.Context, series, instrument string, fn func(seq int64, r assay.Reading) error) error
	ImageEmbeddings(ctx context.Context, image assay.Digest) ([]assay.Embedding, error)
	Embeddings(ctx context.Context, series string, id assay.Identity, fn func(seq int64, image assay.Digest, v []float32) error) error
	Neighbours(ctx context.Context, series string, fn func(assay.Neighbour) error) error
}

type ruleFacts interface {
	PutControls(ctx context.Context, c []assay.Control) error
	PutThreshold(ctx context.Context, t assay.Threshold) (int64, error)
	Thresholds(ctx context.Context, series string) ([]assay.Threshold, error)
	ThresholdHistory(ctx context.Context, series, gate string) ([]assay.Threshold, error)
	PutGrid(ctx context.Context, g assay.GridSpec) (int64, error)
	Grid(ctx context.Context, series string) (assay.GridSpec, error)
	PutDecisions(ctx context.Context, d []assay.Decision) error
	Decisions(ctx context.Context, series string, image assay.Digest) ([]assay.Decision, error)
}

type peopleFacts interface {
	PutJudgment(ctx context.Context, j assay.Judgment) (int64, error)
	Withdraw(ctx context.Context, judgment int64) error
	Judgments(ctx context.Context, series string) ([]assay.Judgment, error)
	PutRound(ctx context.Context, r assay.Round) (int64, error)
	Round(ctx context.Context, id int64) (assay.Round, error)
	OpenRound(ctx context.Context, series, rater string) (assay.Round, []bool, error)
	PutMark(ctx context.Context, m assay.Mark) (int64, error)
	MoveMark(ctx context.Context, m assay.Mark) (int64, error)
	WithdrawMark(ctx context.Context, mark int64) error
	Marks(ctx context.Context, series string) ([]assay.Mark, error)
	PutTriplet(ctx context.Context, t assay.Triplet) (int64, error)
	AnswerTriplet(ctx context.Context, triplet int64, odd int, latency time.Duration) error
	Triplets(ctx context.Context, series string) ([]assay.Triplet, error)
	OpenTriplet(ctx context.Context, series, rater string) (assay.Triplet, error)
	PutRanking(ctx context.Context, r assay.Ranking) (int64, error)
	AnswerRanking(ctx context.Context, ranking int64, order []assay.Digest) error
	Rankings(ctx context.Context, series string) ([]assay.Ranking, error)
	OpenRanking(ctx context.Context, series, rater string) (assay.Ranking, error)
}

type judgeFacts interface {
	PutAnswers(ctx context.Context, answers []assay.Answer) error
	Answers(ctx context.Context, series string, image assay.Digest) ([]assay.Answer, error)
	SeriesAnswers(ctx context.Context, series string, fn func(seq int64, a assay.Answer) error) error
	Question(ctx context.Context, id string) (assay.Question, error)
	PutComparison(ctx context.Context, c assay.Comparison) (int64, error)
	Comparisons(ctx context.Context, series string) ([]assay.Comparison, error)
	PutNote(ctx context.Context, n assay.Note) (int64, error)
	Notes(ctx context.Context, series string, image assay.Digest, kind string) ([]assay.Note, error)
}

// Options are the settings of a series. The zero Options is a good choice.
type Options struct {
	Axes           []assay.Axis // of the archive; empty means [DefaultAxes]
	Distance       string       // instrument of the diversity gate; empty means the best installed
	Adherence      string       // instrument of the adherence gate, one that reads images with prompts; empty means the best CLIP Score installed
	Style          string       // instrument of the style gate; empty means the best installed
	Technical      []string     // instruments that may serve the technical gates; empty means all installed formulas that have a better direction, and nima-technical
	Warmup         int          // images before thresholds are computed from controls; 0 means 24
	SameQuantile   float64      // quantile of the controls' distances that is the diversity threshold; 0 means 0.95
	ChanceQuantile float64      // quantile of the readings with other images' prompts that is the adherence threshold; 0 means 0.95
	StyleShare     float64      // share of the series' own images that lies below the style threshold; 0 means 0.1
	StyleEnforce   bool         // let the style gate refuse, though no control supports it
	AllowInt8      bool         // let gates and axes read networks run in 8-bit integers
	FalseRefusal   float64      // share of the series' own images a technical gate may refuse; 0 means 0.05
	Tau            float64      // probability that a challenger is better before it replaces an elite; 0 means 0.75
	Workers        int          // images measured at once; 0 means one per CPU
	Limits         pixel.Limits
	Log            *slog.Logger     // nil discards
	Now            func() time.Time // nil means time.Now
}

func (o Options) withDefaults() Options {
	if len(o.Axes) == 0 {
		o.Axes = DefaultAxes()
	}
	o.Warmup = cmp.Or(o.Warmup, 24)
	o.SameQuantile = cmp.Or(o.SameQuantile, 0.95)
	o.ChanceQuantile = cmp.Or(o.ChanceQuantile, gate.DefaultQuantile)
	o.StyleShare = cmp.Or(o.StyleShare, gate.DefaultPercentile)
	o.FalseRefusal = cmp.Or(o.FalseRefusal, 0.05)
	o.Tau = cmp.Or(o.Tau, 0.75)
	if o.Workers < 1 {
		o.Workers = runtime.NumCPU()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// A Series is one creator's run of images. Its methods may be called by several
// goroutines; Add by one at a time, under the store's writer lock.
type Series struct {
	name   string
	facts  facts
	tools  Tools
	opt    Options
	views  viewCache
	tastes tastes
}

// Tools are the instruments at hand, and for those that are not, why.
type Tools struct {
	Instruments []*metric.Instrument // open, in the catalogue's order
	Missing     map[string]error     // by instrument name: why it could not be opened, and the remedy
}

// Find returns the named instrument, or the reason there is none.
func (t Tools) Find(name string) (*metric.Instrument, error) {
	for _, in := range t.Instruments {
		if in.Name == name {
			return in, nil
		}
	}
	if err := t.Missing[name]; err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("no instrument %q: %w", name, assay.ErrNotFound)
}

// Open returns the named series, which is made if it does not exist.
func Open(ctx context.Context, name string, f facts, tools Tools, opt Options) (*Series, error) {
	s := &Series{name: name, facts: f, tools: tools, opt: opt.withDefaults()}
	if err := f.CreateSeries(ctx, name); err != nil {
		return nil, err
	}
	return s, nil
}

// Name returns the name of the series.
func (s *Series) Name() string { return s.name }

// imageInstruments are those that read every image that enters.
func (s *Series) imageInstruments() []*metric.Instrument {
	return slices.DeleteFunc(slices.Clone(s.tools.Instruments), func(in *metric.Instrument) bool {
		return in.Kind != metric.OfImage
	})
}

// readers are the instruments that read an image that came with the prompt:
// those that read images and, if there is a prompt, those that read it too.
func (s *Series) readers(prompt string) []*metric.Instrument {
	return slices.DeleteFunc(slices.Clone(s.tools.Instruments), func(in *metric.Instrument) bool {
		return in.Kind != metric.OfImage && (in.Kind != metric.OfPrompt || !hasPrompt(prompt))
	})
}

// DefaultAxes are the axes of a series that names none: how warm the colours
// are, and how much of the picture is edges. The bounds are the 1 % and 99 %
// quantiles, rounded outwards, over 395 images, nearly all from text-to-image
// models (warmth −15.8 to 31.5, edge density 0.022 to 0.471; `assay score -m
// warmth,edge-density -o csv`); `assay archive rebin` fits them to a series.
func DefaultAxes() []assay.Axis {
	return []assay.Axis{
		{Descriptor: "warmth", Lo: -20, Hi: 35, Cells: 8},
		{Descriptor: "edge-density", Lo: 0, Hi: 0.5, Cells: 8},
	}
}
