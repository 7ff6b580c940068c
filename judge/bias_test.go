package judge

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
)

// A position-biased judge of 70 % accuracy and 40 % position bias, asked through
// Compare: how often the side it favours is the better one, in one order and
// averaged over both. Ties count half. Predictions are exact; see each row.
//
//	go test ./judge -run PositionBias -v
func TestPositionBias(t *testing.T) {
	const accuracy, bias = 0.70, 0.40
	pairs := 3000
	if testing.Short() {
		pairs = 500
	}
	for _, c := range []struct {
		name                 string
		can                  vlm.Capabilities
		samples              int
		judge                func(rng *rand.Rand) (pFirst func(better bool) float64) // one pair's P("first")
		single, both         float64                                                 // predicted
		decidedShare, agreed float64                                                 // of pairs decided by the mean being off 1/2; accuracy among them
	}{
		// The judge's log-odds for the better picture are normal with a mean such
		// that 70 % are positive, and those for the first place are added: as many
		// as make 40 % of the verdicts change with the order. The mean of both
		// orders is above 1/2 exactly where the judge, without its bias, is right.
		{"log-probabilities", canLogProbs, 0, logitJudge(accuracy, bias),
			singleLogit(accuracy, bias), accuracy, 1, accuracy},
		// With 40 % it says "first" whatever it sees, else it is right with 70 %:
		// it says "first" of the better picture with 0.82 and of the worse with
		// 0.58. One draw each way: right twice, wrong twice, or a tie.
		{"one word each way", canNothing, 1, wordJudge(accuracy, bias),
			.62, .62, .82*.42 + .18*.58, .82 * .42 / (.82*.42 + .18*.58)},
		{"five words each way", canNothing, 5, wordJudge(accuracy, bias),
			singleWords(5, .82, .42), bothWords(5, .82, .42), decidedWords(5, .82, .42), decidedRight(5, .82, .42)},
		// The same where 70 % is what is seen in one order, the bias included.
		{"one word each way, 70 % as seen", canNothing, 1, wordJudge((accuracy-bias/2)/(1-bias), bias),
			.70, .70, .9*.5 + .1*.5, .9},
		{"five words each way, 70 % as seen", canNothing, 5, wordJudge((accuracy-bias/2)/(1-bias), bias),
			singleWords(5, .9, .5), bothWords(5, .9, .5), decidedWords(5, .9, .5), decidedRight(5, .9, .5)},
	} {
		t.Run(c.name, func(t *testing.T) {
			single, both, decided, right := measureBias(t, c.can, c.samples, pairs, c.judge)
			t.Logf("%-36s one order %.1f %% (predicted %.1f)   both averaged %.1f %% (predicted %.1f)   decided %.1f %% (predicted %.1f), of these right %.1f %% (predicted %.1f)",
				c.name, 100*single, 100*c.single, 100*both, 100*c.both, 100*decided, 100*c.decidedShare, 100*right, 100*c.agreed)
			within := 4 * 0.5 / math.Sqrt(float64(pairs)) // four standard errors
			near(t, "one order", single, c.single, within)
			near(t, "both", both, c.both, within)
			near(t, "decided", decided, c.decidedShare, within)
			near(t, "right among decided", right, c.agreed, within/math.Sqrt(c.decidedShare))
		})
	}
}

// measureBias compares pairs whose better picture is known, A in every other
// one, and shows it first in the order that a single-order judge would have been
// given by chance.
func measureBias(t *testing.T, can vlm.Capabilities, samples, pairs int, judge func(*rand.Rand) func(bool) float64) (single, both, decided, right float64) {
	t.Helper()
	rng := rand.New(rand.NewPCG(7, 1))
	var count, hits float64
	for i := range pairs {
		a, b := subject(fmt.Sprint("a", i)), subject(fmt.Sprint("b", i))
		better := a
		if i%2 == 1 {
			better = b
		}
		pFirst := judge(rng)
		draws := rand.New(rand.NewPCG(11, uint64(i)))
		m, _ := model(can, func(r vlm.Request) (vlm.Reply, error) {
			p := pFirst(shownFirst(r) == better.Sent.Digest)
			switch {
			case r.TopLogProbs > 0:
				return side2(p), nil
			case draws.Float64() < p:
				return says("first"), nil
			}
			return says("second"), nil
		})
		c, err := Compare(t.Context(), m, a, b, Options{Samples: samples, Parallel: 1})
		if err != nil {
			t.Fatal(err)
		}
		pBetter := func(p float64) float64 {
			if better.Image == b.Image {
				return 1 - p
			}
			return p
		}
		one := c.FirstOrder.P
		if i%4 >= 2 {
			one = c.SecondOrder.P
		}
		single += half(pBetter(one))
		both += half(pBetter(c.P))
		if math.Abs(c.P-.5) > 1e-9 {
			count++
			hits += half(pBetter(c.P))
			if (c.Outcome == assay.Left || c.Outcome == assay.Right) && (c.Outcome == assay.Left) != (c.P > .5) {
				t.Fatalf("outcome %s at P %g", c.Outcome, c.P)
			}
		}
	}
	n := float64(pairs)
	return single / n, both / n, count / n, hits / count
}

// half is 1 above 1/2, 0 below and 1/2 at it.
func half(p float64) float64 {
	switch {
	case math.Abs(p-.5) < 1e-9:
		return .5
	case p > .5:
		return 1
	}
	return 0
}

func wordJudge(accuracy, bias float64) func(*rand.Rand) func(bool) float64 {
	return func(*rand.Rand) func(bool) float64 {
		return func(betterFirst bool) float64 {
			if betterFirst {
				return bias + (1-bias)*accuracy
			}
			return bias + (1-bias)*(1-accuracy)
		}
	}
}

// logitScale spreads the judge's log-odds; no prediction depends on it.
const logitScale = 1.5

func logitJudge(accuracy, bias float64) func(*rand.Rand) func(bool) float64 {
	mu, beta := distuv.UnitNormal.Quantile(accuracy), biasLogit(accuracy, bias)
	return func(rng *rand.Rand) func(bool) float64 {
		z := mu + rng.NormFloat64()
		return func(betterFirst bool) float64 {
			if betterFirst {
				return sigmoid(logitScale * (z + beta))
			}
			return sigmoid(logitScale * (-z + beta))
		}
	}
}

// biasLogit is β for which P(|z| < β) = bias, z normal with P(z > 0) = accuracy:
// the share of verdicts that change with the order.
func biasLogit(accuracy, bias float64) float64 {
	mu := distuv.UnitNormal.Quantile(accuracy)
	lo, hi := 0.0, 10.0
	for range 60 {
		mid := (lo + hi) / 2
		if distuv.UnitNormal.CDF(mid-mu)-distuv.UnitNormal.CDF(-mid-mu) < bias {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

func singleLogit(accuracy, bias float64) float64 {
	mu, beta := distuv.UnitNormal.Quantile(accuracy), biasLogit(accuracy, bias)
	return (distuv.UnitNormal.CDF(mu+beta) + distuv.UnitNormal.CDF(mu-beta)) / 2
}

func binomial(n int, p float64) distuv.Binomial { return distuv.Binomial{N: float64(n), P: p} }

// singleWords is the accuracy of the majority of n words in one order, either
// with one half.
func singleWords(n int, pBetterFirst, pBetterSecond float64) float64 {
	var sum float64
	for _, p := range []float64{pBetterFirst, pBetterSecond} {
		for k := range n + 1 {
			sum += binomial(n, p).Prob(float64(k)) * half(float64(k)/float64(n)) / 2
		}
	}
	return sum
}

// words2 sums f(P(better)) over the outcomes of n words each way.
func words2(n int, p1, p2 float64, f func(p float64) float64) (sum float64) {
	for k := range n + 1 {
		for l := range n + 1 {
			sum += binomial(n, p1).Prob(float64(k)) * binomial(n, p2).Prob(float64(l)) * f(float64(k+l)/float64(2*n))
		}
	}
	return sum
}

func bothWords(n int, p1, p2 float64) float64 { return words2(n, p1, p2, half) }

func decidedWords(n int, p1, p2 float64) float64 {
	return words2(n, p1, p2, func(p float64) float64 { return 2 * math.Abs(half(p)-.5) })
}

func decidedRight(n int, p1, p2 float64) float64 {
	right := words2(n, p1, p2, func(p float64) float64 { return math.Floor(half(p)) })
	return right / decidedWords(n, p1, p2)
}
