package series

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/stat"
)

const (
	leastWindows = 12   // batches of images below which nothing is compared: two windows of six
	allLimit     = 1000 // images whose pairs make the mean of all
	scaleLimit   = 200  // images whose pairs give the median distance
	nowDraws     = 9999 // orders drawn for a p-value of the moment
)

// Diagnose says whether images in order of time converge. The same images and
// options give the same Diagnosis. The error wraps [assay.ErrInvalid] for
// options that cannot be; too few images are no error but a finding.
func Diagnose(ctx context.Context, q Sequence, opt DiagnoseOptions) (Diagnosis, error) {
	opt = opt.withDefaults()
	if opt.Batch < 1 || opt.Window < 6*opt.Batch {
		return Diagnosis{}, fmt.Errorf("windows of %d images in batches of %d: a window must hold at least 6 batches: %w", opt.Window, opt.Batch, assay.ErrInvalid)
	}
	opt.Window -= opt.Window % opt.Batch
	n := len(q.Labels) / opt.Batch * opt.Batch
	d := Diagnosis{By: q.By, Space: q.Space, Order: q.Order, Images: len(q.Labels), Window: min(opt.Window, n/2/opt.Batch*opt.Batch), Batch: opt.Batch,
		Notes: append([]string{}, q.Notes...), NotMeasured: append([]Missing{}, q.Lacks...), Grid: q.Grid}
	d.Watch = WatchFinding{Alpha: opt.Alpha, Looks: []int{}, Next: stat.NextLook(n, opt.Window, opt.Batch)}
	m := &diagnosing{q: q, opt: opt, n: n, cells: q.cells(n), trend: stat.TrendOptions{Conf: diagnosisConf, Seed: opt.Seed, Batch: opt.Batch}}
	if n < len(q.Labels) {
		d.Notes = append(d.Notes, fmt.Sprintf("the last %s left out: they are no whole batch of %d", counted(len(q.Labels)-n, "image is", "images are"), opt.Batch))
	}
	if m.cells == nil {
		d.NotMeasured = append(d.NotMeasured, Missing{Instrument: "occupancy entropy", Reason: "some images lack a descriptor of the map; `assay gate calibrate --controls` measures what can be measured"})
	}
	if least := leastWindows * opt.Batch; n < least {
		d.Needed = least - n
		d.tell(stat.Judgement{})
		return d, nil
	}
	for _, step := range []func(context.Context, *Diagnosis) error{m.now, m.watch, m.all, m.curve, m.serial} {
		if err := step(ctx, &d); err != nil {
			return Diagnosis{}, err
		}
	}
	return d, nil
}

// cells returns the cells of the first n images, nil unless all have one.
func (q *Sequence) cells(n int) []int {
	if len(q.Cells) < n || slices.Contains(q.Cells[:n], -1) {
		return nil
	}
	return q.Cells[:n]
}

// diagnosing is a diagnosis in the making.
type diagnosing struct {
	q     Sequence
	opt   DiagnoseOptions
	n     int   // images in whole batches
	cells []int // nil if some have none
	trend stat.TrendOptions
}

// apart is the distance of two images.
func (m *diagnosing) apart(i, j int) (float64, error) {
	if m.q.Distance != nil {
		return m.q.Distance(i, j)
	}
	d, err := m.q.Space.Apart(m.q.Vectors[i], m.q.Vectors[j])
	if err != nil {
		return 0, fmt.Errorf("%s and %s: %w", m.q.Labels[i], m.q.Labels[j], err)
	}
	return max(0, d), nil // of equal vectors, 1−cosine may be a rounding below 0
}

// now compares the last images with the first, at this moment.
func (m *diagnosing) now(ctx context.Context, d *Diagnosis) error {
	opt := m.trend
	opt.Draws = nowDraws
	j, err := stat.JudgeLook(ctx, m.apart, m.cells, stat.Look{Things: m.n, Window: d.Window, Alpha: m.opt.Alpha}, opt)
	if err != nil {
		return err
	}
	d.Closer = &CloserFinding{
		First: spreadFinding(j.Spread.First, 0), Last: spreadFinding(j.Spread.Last, m.n-d.Window),
		Interval: interval(j.Spread.Interval),
	}
	if j.Spread.First.Mean > 0 {
		d.Closer.Times = finite(j.Spread.Closer)
	}
	d.Tests = testFindings(j)
	d.Nearest = &NearestFinding{Lookback: j.Near.Lookback, Distance: j.Near.Distance, Tau: j.Near.Tau}
	for _, at := range j.NearAt {
		d.Nearest.At = append(d.Nearest.At, at+1)
	}
	for _, w := range j.Spread.Warnings {
		if j.Spread.First.Mean > 0 && j.Spread.Last.Mean > 0 { // else the sentence says it
			d.Notes = append(d.Notes, strings.ReplaceAll(w.Error(), "things", d.what()))
		}
	}
	d.tell(j)
	return nil
}

// watch makes the looks that have been due.
func (m *diagnosing) watch(ctx context.Context, d *Diagnosis) error {
	w, err := stat.WatchTrend(ctx, m.n, m.apart, m.cells, m.opt.Window, m.opt.Alpha, m.trend)
	if err != nil {
		return err
	}
	for _, l := range w.Looks {
		d.Watch.Looks = append(d.Watch.Looks, l.Things)
	}
	d.Watch.Raised, d.Watch.Latest = lookFinding(w.Raised), lookFinding(w.Latest)
	d.tellAlarm()
	return nil
}

func (m *diagnosing) all(ctx context.Context, d *Diagnosis) error {
	at := stat.ThinEvenly(m.n, allLimit, m.opt.Batch)
	dist, err := stat.NewDistances(ctx, len(at), func(i, j int) (float64, error) { return m.apart(at[i], at[j]) })
	if err != nil {
		return err
	}
	s, err := dist.Spread(stat.Window{To: len(at)}, m.opt.Batch, diagnosisConf)
	if err != nil {
		return err
	}
	all := spreadFinding(s, 0)
	all.To = m.n
	d.All = &all
	if m.q.Space == metric.Cosine {
		return nil
	}
	var some []float64
	few := stat.ThinEvenly(len(at), scaleLimit, 1)
	for i, a := range few {
		for _, b := range few[:i] {
			some = append(some, dist.At(a, b))
		}
	}
	if d.Scale, err = stat.Quantile(some, 0.5); err == nil && d.Scale > 0 {
		d.Notes = append(d.Notes, fmt.Sprintf("for the Vendi score, images at a distance d count as exp(−d/%s) alike: %s is the median distance of the series, so that scores compare within it only", three(d.Scale), three(d.Scale)))
	}
	return err
}

// curve follows windows through the series.
func (m *diagnosing) curve(ctx context.Context, d *Diagnosis) error {
	w, batches := d.Window, (m.n-d.Window)/m.opt.Batch
	points := min(curvePoints, 1+4*(m.n-w)/w, batches+1) // a quarter of a window apart, or more
	seen := map[int]float64{}
	upTo := 0
	for k := range points {
		from := k * batches / max(1, points-1) * m.opt.Batch
		dist, err := stat.NewDistances(ctx, w, func(i, j int) (float64, error) { return m.apart(from+i, from+j) })
		if err != nil {
			return err
		}
		s, err := dist.Spread(stat.Window{To: w}, m.opt.Batch, diagnosisConf)
		if err != nil {
			return err
		}
		p := CurvePoint{SpreadFinding: spreadFinding(s, from)}
		if p.Vendi, p.VendiInterval, err = m.vendi(ctx, dist, d.Scale); err != nil {
			return err
		}
		if m.cells != nil {
			for ; upTo < from+w; upTo++ {
				seen[m.cells[upTo]]++
			}
			if err := p.occupy(m.cells[from:from+w], seen); err != nil {
				return err
			}
		}
		d.Curve = append(d.Curve, p)
	}
	return nil
}

// occupy fills in how a window's images, and all so far, spread over the map.
func (p *CurvePoint) occupy(cells []int, seen map[int]float64) error {
	here := map[int]float64{}
	for _, c := range cells {
		here[c]++
	}
	nats, _, err := stat.Entropy(countsOf(here))
	if err != nil {
		return err
	}
	corrected, err := stat.EntropyMillerMadow(countsOf(here))
	if err != nil {
		return err
	}
	soFar, err := stat.EntropyMillerMadow(countsOf(seen))
	if err != nil {
		return err
	}
	p.Entropy, p.Corrected, p.SoFar, p.SoFarCells = &nats, &corrected, &soFar, len(seen)
	return nil
}

// countsOf returns the counts in a fixed order, so that sums have the same bits.
func countsOf(cells map[int]float64) []float64 {
	out := make([]float64, 0, len(cells))
	for _, n := range cells {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// vendi returns the effective number of different images of a window, and its
// jackknife interval on the logarithmic scale.
func (m *diagnosing) vendi(ctx context.Context, dist *stat.Distances, scale float64) (float64, *stat.Interval, error) {
	score := func(skip int) (float64, error) {
		var keep []int
		for i := range dist.Len() {
			if skip < 0 || i/m.opt.Batch != skip {
				keep = append(keep, i)
			}
		}
		k := make([]float64, len(keep)*len(keep))
		for i, a := range keep {
			for j, b := range keep {
				k[i*len(keep)+j] = m.alike(dist.At(a, b), scale)
			}
		}
		return stat.VendiKernel(ctx, k, len(keep), 1)
	}
	whole, err := score(-1)
	if err != nil {
		return 0, nil, err
	}
	groups := dist.Len() / m.opt.Batch
	logs := make([]float64, groups)
	mean, ss := 0.0, 0.0
	for g := range logs {
		v, err := score(g)
		if err != nil {
			return 0, nil, err
		}
		logs[g] = math.Log(v)
		mean += logs[g] / float64(groups)
	}
	for _, l := range logs {
		ss += float64((l - mean) * (l - mean))
	}
	half := stat.StudentHalf(diagnosisConf, float64(groups-1)) * math.Sqrt(ss*float64(groups-1)/float64(groups))
	// No set has fewer than one different image, nor more than it has images.
	return whole, &stat.Interval{Lo: max(1, whole*math.Exp(-half)), Hi: min(float64(dist.Len()), whole*math.Exp(half))}, nil
}

// alike turns a distance into a similarity that has a Vendi score: the cosine,
// or in Euclidean spaces exp(−d/scale), which are positive semi-definite.
func (m *diagnosing) alike(d, scale float64) float64 {
	switch {
	case m.q.Space == metric.Cosine:
		return 1 - d
	case scale == 0: // at least half of all pairs are the same image
		if d == 0 {
			return 1
		}
		return 0
	}
	return math.Exp(-d / scale)
}

// serial checks what all the tests assume: that nothing but time orders images.
func (m *diagnosing) serial(ctx context.Context, d *Diagnosis) error {
	const stretch = 20
	d.tellAssumption()
	if m.n < stretch*m.opt.Batch {
		d.Notes = append(d.Notes, fmt.Sprintf("whether %s that came one after the other belong together was not checked: it takes %d images", d.what(), stretch*m.opt.Batch))
		return nil
	}
	opt := m.trend
	opt.Draws = nowDraws
	s, err := stat.SerialDependence(ctx, m.n, m.apart, opt)
	if err != nil {
		return err
	}
	d.tellSerial(s, m.opt.Alpha)
	return nil
}

func spreadFinding(s stat.Spread, from int) SpreadFinding {
	return SpreadFinding{From: from + 1, To: from + s.N, Mean: s.Mean, Interval: interval(s.Interval)}
}

func lookFinding(j *stat.Judgement) *LookFinding {
	if j == nil {
		return nil
	}
	return &LookFinding{Number: j.Number, Images: j.Things, Window: j.Window, Alpha: j.Alpha, Tests: testFindings(*j), Alarms: append([]string{}, j.Alarms...)}
}

// interval is nil where an end does not exist: JSON has no NaN.
func interval(iv stat.Interval) *stat.Interval {
	if finite(iv.Lo) == nil || finite(iv.Hi) == nil {
		return nil
	}
	return &iv
}

func finite(x float64) *float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return nil
	}
	return &x
}
