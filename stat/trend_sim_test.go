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

func (c *cloud) pairwise(t testing.TB) *Pairwise {
	p, err := NewPairwise(t.Context(), len(c.x), func(i, j int) (float64, error) {
		ss := 0.0
		for k, a := range c.x[i] {
			ss += (a - c.x[j][k]) * (a - c.x[j][k])
		}
		return math.Sqrt(ss), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
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

// TestTrendSim counts alarms over whole lives of series.
func TestTrendSim(t *testing.T) {
	runs := 60
	if os.Getenv("SIM") != "" {
		runs = 400
	}
	for _, name := range []string{"normal", "heavy", "clusters", "drift", "narrowing", "collapse", "tighter", "repeats"} {
		for _, n := range []int{80, 200} {
			alarms, byTest, single := 0, map[string]int{}, map[string]int{}
			var delay []float64
			for run := range runs {
				rng := rand.New(rand.NewPCG(uint64(run), 4))
				var c cloud
				for i := range n {
					c.put(clouds[name](rng, i, n))
				}
				p := c.pairwise(t)
				looks, err := Looks(n, 40, 1, 0.05)
				if err != nil {
					t.Fatal(err)
				}
				seen := map[string]bool{}
				first := 0
				for _, look := range looks {
					j, err := JudgeLook(t.Context(), p, c.cells, look, TrendOptions{Seed: uint64(run)})
					if err != nil {
						t.Fatal(err)
					}
					for _, a := range j.Alarms {
						seen[a] = true
						if first == 0 {
							first = look.Things
						}
					}
					if look.Number == len(looks) {
						for _, test := range j.Tests {
							if test.P <= 0.05 {
								single[test.Name]++
							}
						}
					}
				}
				if first > 0 {
					alarms++
					delay = append(delay, float64(first))
				}
				for a := range seen {
					byTest[a]++
				}
			}
			t.Logf("%-10s n=%3d: alarm in %5.1f %% of lives %v; last look alone at 5 %%: %v of %d", name, n, 100*float64(alarms)/float64(runs), byTest, single, runs)
		}
	}
}
