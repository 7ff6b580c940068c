package series

import (
	"slices"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/stat"
)

// DiagnoseOptions adjust a diagnosis. The zero DiagnoseOptions is a good choice.
type DiagnoseOptions struct {
	// By is whose distance tells images apart: the name of an instrument that
	// has vectors of its own, or of a stored tower's embedding. Empty means the
	// instrument of the diversity gate.
	By       string
	Window   int     // images in a window; 0 means 40
	Batch    int     // how many images in a row belong together, see [stat.TrendOptions]; 0 means 1
	Accepted bool    // leave out the images that gates refused
	Alpha    float64 // chance that a series which does not converge ever raises an alarm; 0 means 0.05
	Seed     uint64  // of the orders drawn
}

// DiagnosisInstruments lists the instruments of the diversity gate that tell images
// apart by vectors, the best first.
func DiagnosisInstruments() []string {
	return slices.DeleteFunc(distances(), func(name string) bool {
		spec, ok := metric.Find(name)
		return !ok || spec.Space == ""
	})
}

const (
	diagnosisWindow = 40
	diagnosisAlpha  = 0.05
	diagnosisConf   = 0.95
	curvePoints     = 24 // windows of the curves, evenly spread
)

func (o DiagnoseOptions) withDefaults() DiagnoseOptions {
	if o.Window == 0 {
		o.Window = diagnosisWindow
	}
	if o.Batch == 0 {
		o.Batch = 1
	}
	if o.Alpha == 0 {
		o.Alpha = diagnosisAlpha
	}
	return o
}

// A Sequence is images in order of time, as a diagnosis reads them.
type Sequence struct {
	By     assay.Identity
	Space  metric.Space // of the vectors; empty if there are none
	Order  string       // what the order is: "arrival", "file name"
	Labels []string     // one an image, for people
	// Vectors has one row an image, all of one length.
	Vectors [][]float32
	// Distance is read instead, where images have no vectors. It is asked for a
	// pair as often as that pair is needed.
	Distance stat.Dist
	// Cells has one cell of the map for each image, −1 where it has none; nil if
	// there is no map.
	Cells []int
	Grid  []assay.Axis // what Cells are cells of
	Notes []string     // what is to be known of the images: left out, refused
	Lacks []Missing    // what was not measured, and how to get it
}

// A Diagnosis says whether a series converges: whether its images come to lie
// closer to each other, to those just before and to fewer places on the map.
// Places of images count from 1 in the order of the Sequence.
type Diagnosis struct {
	Series   string         `json:"series,omitempty"`
	By       assay.Identity `json:"by"`
	Space    metric.Space   `json:"space"`
	Order    string         `json:"order"`
	Images   int            `json:"images"`
	Window   int            `json:"window"`
	Batch    int            `json:"batch"`
	Sentence string         `json:"sentence"` // the finding, for people
	Alarm    string         `json:"alarm"`    // whether there is one, with its error rate, for people
	Needed   int            `json:"needed"`   // images that are needed before anything can be compared; 0 if there are enough

	Closer *CloserFinding `json:"closer,omitempty"` // nil if there are too few images
	Tests  []TestFinding  `json:"tests,omitempty"`  // at this moment, for one look decided on beforehand
	Watch  WatchFinding   `json:"watch"`
	Curve  []CurvePoint   `json:"curve,omitempty"`
	// All is the mean distance of all pairs, of at most 1000 images evenly
	// spread; nil if there are fewer than 3 images.
	All     *SpreadFinding  `json:"all,omitempty"`
	Nearest *NearestFinding `json:"nearest,omitempty"`
	// Scale is the distance at which two images count as exp(−1) alike in the
	// Vendi score of Euclidean spaces: the median of the series; 0 in others,
	// where the cosine is the similarity.
	Scale float64      `json:"vendi_scale,omitempty"`
	Grid  []assay.Axis `json:"grid,omitempty"`

	Notes       []string  `json:"notes"`        // assumptions, and doubts about them
	NotMeasured []Missing `json:"not_measured"` // and how to get it
}

// A SpreadFinding is a mean pairwise distance.
type SpreadFinding struct {
	From     int            `json:"from"` // first image
	To       int            `json:"to"`   // last image
	Mean     float64        `json:"mean"`
	Interval *stat.Interval `json:"interval"` // of level 0.95; null where it is not defined
}

// A CloserFinding compares the last images with the first.
type CloserFinding struct {
	First    SpreadFinding  `json:"first"`
	Last     SpreadFinding  `json:"last"`
	Times    *float64       `json:"times_closer"` // first mean / last mean; null if the first or the last images are all the same
	Interval *stat.Interval `json:"interval"`     // of level 0.95
}

// A TestFinding is one test.
type TestFinding struct {
	Name     string  `json:"name"`     // "closer", "nearer", "fewer cells"
	Question string  `json:"question"` // for people
	Value    string  `json:"value"`    // of what is tested, for people
	P        float64 `json:"p"`        // one-sided
	Adjusted float64 `json:"adjusted"` // for being one of several, after Holm
	Least    float64 `json:"least_p"`  // the smallest the test could have given
	Draws    int     `json:"orders_drawn"`
}

// A WatchFinding is what the looks so far found.
type WatchFinding struct {
	Alpha  float64      `json:"alpha"`            // chance of any false alarm over all tests and looks
	Looks  []int        `json:"looks"`            // how many images there were at each
	Next   int          `json:"next"`             // how many there will be at the next
	Raised *LookFinding `json:"raised,omitempty"` // the first look that raised an alarm
	Latest *LookFinding `json:"latest,omitempty"` // the newest look
}

// A LookFinding is one look.
type LookFinding struct {
	Number int           `json:"number"`
	Images int           `json:"images"`
	Window int           `json:"window"`
	Alpha  float64       `json:"alpha"` // what this look may spend
	Tests  []TestFinding `json:"tests"`
	Alarms []string      `json:"alarms"` // names of tests
}

// A CurvePoint is one window of a series.
type CurvePoint struct {
	SpreadFinding
	Vendi         float64        `json:"vendi"` // effective number of different images, 1 to the window's length
	VendiInterval *stat.Interval `json:"vendi_interval"`
	// Entropy of the window's images over the map's cells, in nats, as counted:
	// biased low, alike in all windows; null where images lack a cell.
	Entropy *float64 `json:"entropy"`
	// Corrected is Entropy with Miller and Madow's correction.
	Corrected *float64 `json:"entropy_corrected"`
	// SoFar is the corrected entropy of all images up to To, SoFarCells how many
	// cells they fell into.
	SoFar      *float64 `json:"entropy_so_far"`
	SoFarCells int      `json:"cells_so_far,omitempty"`
}

// A NearestFinding follows the distance to the nearest of the images just before.
type NearestFinding struct {
	Lookback int       `json:"lookback"`
	At       []int     `json:"at"` // places of images
	Distance []float64 `json:"distance"`
	Tau      float64   `json:"tau"` // Kendall's, with time
}
