package stat

import (
	"math"
	"math/rand/v2"
	"os"
	"testing"
)

// A cloud draws things of a simulated series: vectors, and the cells of their
// first two numbers on an 8×8 grid.
type cloud struct {
	x     [][]float64
	cells []int
}

func (c *cloud) put(v []float64) {
	c.x = append(c.x, v)
	bin := func(t float64) int { return min(7, max(0, int(4+1.6*t))) }
	c.cells = append(c.cells, 8*bin(v[0])+bin(v[1]))
}

func (c *cloud) apart(i, j int) (float64, error) {
	ss := 0.0
	for k, a := range c.x[i] {
		ss += (a - c.x[j][k]) * (a - c.x[j][k])
	}
	return math.Sqrt(ss), nil
}

func (c *cloud) distances(t testing.TB) *Distances {
	t.Helper()
	d, err := NewDistances(t.Context(), len(c.x), c.apart)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// simulated kinds of series; at is the time from 0 to 1.
var clouds = map[string]func(rng *rand.Rand, i, n int) []float64{
	"normal": func(rng *rand.Rand, _, _ int) []float64 { return gauss(rng, 8, 1) },
	"heavy": func(rng *rand.Rand, _, _ int) []float64 { // lengths of Student's law with 3 degrees of freedom
		chi := math.Sqrt((math.Pow(rng.NormFloat64(), 2) + math.Pow(rng.NormFloat64(), 2) + math.Pow(rng.NormFloat64(), 2)) / 3)
		return gauss(rng, 8, 1/chi)
	},
	"clusters": func(rng *rand.Rand, _, _ int) []float64 { // ten kinds of picture
		v := gauss(rng, 8, 0.2)
		kind := rand.New(rand.NewPCG(uint64(rng.IntN(10)), 99))
		for k, c := range gauss(kind, 8, 1) {
			v[k] += c
		}
		return v
	},
	"drift": func(rng *rand.Rand, i, n int) []float64 { // other pictures, as far apart as ever
		v := gauss(rng, 8, 1)
		v[2] += 4 * float64(i) / float64(n)
		return v
	},
	"narrowing": func(rng *rand.Rand, i, n int) []float64 { // slowly, to six tenths
		return gauss(rng, 8, 1-0.4*float64(i)/float64(n))
	},
	"collapse": func(rng *rand.Rand, i, n int) []float64 { // at half time, to half the spread
		if 2*i < n {
			return gauss(rng, 8, 1)
		}
		return gauss(rng, 8, 0.5)
	},
	"tighter": func(rng *rand.Rand, i, n int) []float64 { // at half time, to eight tenths of the spread
		if 2*i < n {
			return gauss(rng, 8, 1)
		}
		return gauss(rng, 8, 0.8)
	},
	"repeats": func(rng *rand.Rand, i, n int) []float64 { // from half time on, four in ten are one of five pictures with little changes
		if 2*i < n || rng.Float64() > 0.4 {
			return gauss(rng, 8, 1)
		}
		v := gauss(rng, 8, 0.05)
		kind := rand.New(rand.NewPCG(uint64(rng.IntN(5)), 7))
		for k, c := range gauss(kind, 8, 1) {
			v[k] += c
		}
		return v
	},
}

func gauss(rng *rand.Rand, dim int, scale float64) []float64 {
	v := make([]float64, dim)
	for k := range v {
		v[k] = scale * rng.NormFloat64()
	}
	return v
}

// livesWanted is how many lives a test simulates: so many for a figure to be
// quoted where ASSAY_TEST_LONG asks for it.
func livesWanted(n, long int) int {
	if os.Getenv("ASSAY_TEST_LONG") != "" {
		return long
	}
	return n
}

// lives simulates whole lives of a kind of series, with every look on the way,
// and returns how many raised an alarm, by which test, and how long the series
// was when the median of those did.
func lives(t *testing.T, kind string, n, runs int) (alarms int, by map[string]int, median float64) {
	t.Helper()
	by = map[string]int{}
	var when []float64
	for run := range runs {
		rng := rand.New(rand.NewPCG(uint64(run), 4))
		var c cloud
		for i := range n {
			c.put(clouds[kind](rng, i, n))
		}
		w, err := WatchTrend(t.Context(), n, c.apart, c.cells, 40, 0.05, TrendOptions{Seed: uint64(run)})
		if err != nil {
			t.Fatal(err)
		}
		if w.Raised == nil {
			continue
		}
		alarms++
		when = append(when, float64(w.Raised.Things))
		for _, name := range w.Raised.Alarms {
			by[name]++
		}
	}
	if alarms > 0 {
		median, _ = Quantile(when, 0.5)
	}
	return alarms, by, median
}

// TestTrendFalseAlarms: series that do not converge raise alarms in at most 5 %
// of whole lives, whatever their law. Under drift order does matter, so that the
// tests are only approximate there: this is what "approximate" amounts to. With
// 1000 lives each (ASSAY_TEST_LONG=1): normal 3.8 %, heavy 4.0 %, clusters
// 3.0 %, drift 4.2 %.
func TestTrendFalseAlarms(t *testing.T) {
	runs := livesWanted(40, 1000)
	for _, kind := range []string{"normal", "heavy", "clusters", "drift"} {
		alarms, by, _ := lives(t, kind, 200, runs)
		t.Logf("%-9s alarm in %.1f %% of %d lives of 200: %v", kind, 100*float64(alarms)/float64(runs), runs, by)
		// At a rate of 5 % more than this happen once in 10,000 tests.
		most := 0
		for 1-binomialCDF(most, runs, 0.05) > 1e-4 {
			most++
		}
		if alarms > most {
			t.Errorf("%s: %d of %d lives raised a false alarm, at most %d are compatible with 5 %%", kind, alarms, runs, most)
		}
	}
}

// TestTrendPower: series that do converge raise an alarm. Of 200 lives of 200
// images each: collapse 100 %, in the median after 120; narrowing 100 %, after 120;
// tighter 95.5 %, after 160; repeats 41 %, after 160.
func TestTrendPower(t *testing.T) {
	runs := livesWanted(5, 200)
	for _, c := range []struct {
		kind  string
		least float64 // share of lives of 200
	}{{"collapse", 0.99}, {"narrowing", 0.8}, {"tighter", 0.6}, {"repeats", 0}} {
		alarms, by, when := lives(t, c.kind, 200, runs)
		share := float64(alarms) / float64(runs)
		t.Logf("%-9s alarm in %5.1f %% of %d lives of 200, in the median after %g: %v", c.kind, 100*share, runs, when, by)
		if share < c.least {
			t.Errorf("%s: alarms in %.2f of lives, want %.2f", c.kind, share, c.least)
		}
	}
}

// TestCloserCoverage: the interval for how many times closer holds the truth as
// often as it says, also for windows of 20.
func TestCloserCoverage(t *testing.T) {
	const runs, scale = 500, 0.7
	for _, kind := range []string{"normal", "heavy"} {
		for _, n := range []int{12, 20, 40} {
			held := 0
			for run := range runs {
				rng := rand.New(rand.NewPCG(uint64(run), uint64(n)))
				var c cloud
				for i := range 2 * n {
					v := clouds[kind](rng, 0, 1)
					if i >= n {
						for k := range v {
							v[k] *= scale
						}
					}
					c.put(v)
				}
				got, err := CompareSpread(t.Context(), c.distances(t), Window{0, n}, Window{n, 2 * n}, TrendOptions{Draws: 1})
				if err != nil {
					t.Fatal(err)
				}
				if got.Interval.Lo <= 1/scale && 1/scale <= got.Interval.Hi {
					held++
				}
			}
			share := float64(held) / runs
			t.Logf("%-6s windows of %d: the 95 %% interval holds the truth in %.1f %%", kind, n, 100*share)
			if share < 0.91 || share > 0.99 {
				t.Errorf("%s, windows of %d: interval holds the truth in %.3f of cases, want 0.95", kind, n, share)
			}
		}
	}
}
