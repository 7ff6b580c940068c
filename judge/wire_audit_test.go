package judge_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge"
	"github.com/gen-emerge/assay/judge/judgetest"
	"github.com/gen-emerge/assay/judge/vlm"
)

const (
	wireStrength = 4.0 // mean size of the log-odds of a judge that looks
	wirePictures = 40
	wirePairs    = 150
)

// A gallery is the pictures of an examination, and what is true of them.
type gallery struct {
	subjects []judge.Subject
	quality  map[string]float64
	cards    map[string]map[string]bool
}

func newGallery(t *testing.T) *gallery {
	g := &gallery{quality: map[string]float64{}, cards: map[string]map[string]bool{}}
	for i := range wirePictures {
		s := subjectOf(t, scene(uint64(i)))
		s.Prompt = fmt.Sprint("scene ", i)
		g.subjects = append(g.subjects, s)
		g.quality[s.Image.String()] = float64(i * 7 % wirePictures)
	}
	for _, c := range judge.Cards() {
		var names []string
		for _, p := range c.Pictures {
			names = append(names, p.Digest.String())
		}
		name := strings.Join(names, "+")
		if g.cards[name] == nil {
			g.cards[name] = map[string]bool{}
		}
		g.cards[name][c.Question.Text] = c.Question.Expect == "yes"
	}
	return g
}

// register makes the pictures known to a server.
func (g *gallery) register(t *testing.T, s *judgetest.Server) {
	known := map[assay.Digest]bool{}
	for _, p := range g.subjects {
		if err := s.Register(p.Image.String(), p.Sent.Data); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range judge.Cards() {
		for _, p := range c.Pictures {
			if known[p.Digest] {
				continue
			}
			known[p.Digest] = true
			if err := s.Register(p.Digest.String(), p.Data); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// aware is a judge that sees what is plain, and prefers as people do at a stated
// rate.
func (g *gallery) aware(accuracy, bias float64) []judgetest.Rule {
	prompts := map[string]string{}
	for _, s := range g.subjects {
		prompts[s.Prompt] = s.Image.String()
	}
	plain := judgetest.ContentAware(judgetest.Content{Yes: judgetest.Known(g.cards), Strength: 12, Bias: bias})
	return append(plain[:1:1], judgetest.ContentAware(judgetest.Content{
		Yes: func(q judgetest.Query) (bool, bool) { // does the picture show the prompt?
			for _, text := range q.Texts {
				for _, line := range strings.Split(text, "\n") {
					if of, ok := prompts[line]; ok {
						return of == q.Name(0), true
					}
				}
			}
			return false, false
		},
		Quality: g.quality, Accuracy: accuracy, Strength: wireStrength, Bias: bias,
	})...)
}

// material draws what people decided.
func (g *gallery) material(seed uint64) judge.Material {
	m := judge.Material{Subjects: g.subjects[:12]}
	r := rand.New(rand.NewPCG(seed, 5))
	for len(m.Pairs) < wirePairs {
		a, b := g.subjects[r.IntN(wirePictures)], g.subjects[r.IntN(wirePictures)]
		if a.Image != b.Image {
			m.Pairs = append(m.Pairs, judge.HumanPair{A: a, B: b, AWins: g.quality[a.Image.String()] > g.quality[b.Image.String()]})
		}
	}
	return m
}

// decidedRight is the probability that a pair which a judge decides goes as
// people decide. With probabilities it is the judge's accuracy; with one word an
// order a pair is decided if both words agree, the more probably the larger the
// log-odds.
func decidedRight(accuracy, bias float64, probs bool) float64 {
	if probs {
		return accuracy
	}
	var right, wrong float64
	const steps = 1000
	for i := range steps {
		c := wireStrength * (0.2 + 1.6*(float64(i)+0.5)/steps)
		forIt := logistic(c+bias) * logistic(c-bias)
		against := logistic(-c+bias) * logistic(-c-bias)
		right += accuracy*forIt + (1-accuracy)*against
		wrong += accuracy*against + (1-accuracy)*forIt
	}
	return right / (right + wrong)
}

// The examination over the wire, at 200 calls: always-first, always-yes and the
// coin are unfit, and of a judge that looks the accuracy lies in its interval. A
// judge is asked through each family's client in turn. ASSAY_TEST_LONG=1 makes
// 100 examinations of each, with probabilities and drawn, of which 95 must be right;
// ASSAY_TEST_SEEDS another number.
func TestWireAudit(t *testing.T) {
	seeds := 1
	if os.Getenv("ASSAY_TEST_LONG") != "" {
		seeds = 100
	}
	if n, err := strconv.Atoi(os.Getenv("ASSAY_TEST_SEEDS")); err == nil {
		seeds = n
	}
	g := newGallery(t)
	first := append([]judgetest.Rule{judgetest.AlwaysFirst()}, g.aware(0.8, 0)...)
	yes := append([]judgetest.Rule{judgetest.AlwaysYes()}, g.aware(0.8, 0)...)
	for i, j := range []struct {
		name           string
		rules          []judgetest.Rule
		accuracy, bias float64 // 0: it is unfit
	}{
		{name: "always first", rules: first},
		{name: "always yes", rules: yes},
		{name: "coin", rules: []judgetest.Rule{judgetest.Coin(2)}},
		{name: "0.7 with a position bias", rules: g.aware(0.7, 1.5), accuracy: 0.7, bias: 1.5},
		{name: "0.8", rules: g.aware(0.8, 0), accuracy: 0.8},
		{name: "0.95", rules: g.aware(0.95, 0), accuracy: 0.95},
	} {
		for _, probs := range []bool{true, false} {
			if seeds == 1 && probs == (i%2 == 0) {
				continue // one examination takes a second or two under the race detector
			}
			t.Run(fmt.Sprintf("%s/probabilities %t", j.name, probs), func(t *testing.T) {
				t.Parallel()
				s := judgetest.Start(t, judgetest.Options{Rules: j.rules, Faults: judgetest.Faults{NoLogProbs: !probs}})
				g.register(t, s)
				can := map[string]vlm.Capabilities{}
				apis := families
				if probs {
					apis = []string{"openai", "google"}
				}
				for _, api := range apis {
					m, _ := dial(t, s, api)
					if can[api] = m.Can; m.Can.LogProbs != probs {
						t.Fatalf("%s: the probe found %+v", api, m.Can)
					}
				}
				truth := decidedRight(j.accuracy, j.bias, probs)
				fit, within, right := 0, 0, 0
				for seed := range uint64(seeds) {
					s.Change(func(o *judgetest.Options) { o.Seed = seed })
					api := apis[seed%uint64(len(apis))]
					before := s.Stats().Paid
					// A model of its own: what it was asked before is no other's answer.
					client := dialAs(t, s, api, fmt.Sprint("m", seed))
					caller := vlm.NewCaller(client.Judge(), client, vlm.CallerOptions{})
					report, err := judge.Audit(t.Context(), vlm.Model{Judge: client.Judge(), Can: can[api], Asker: caller}, g.material(seed), judge.AuditOptions{Seed: seed})
					caller.Close()
					if err != nil {
						t.Fatalf("seed %d: %v; unanswered %q", seed, err, s.Stats().Unanswered)
					}
					paid := s.Stats().Paid - before
					if report.Cost.Calls > 200 || paid > report.Cost.Calls || paid < 150 || report.Cost.Paid == nil || int(*report.Cost.Paid) != paid {
						t.Errorf("seed %d: %d calls were paid; reported: %+v", seed, paid, report.Cost)
					}
					tr := report.Trust
					in := tr.Low <= truth && truth <= tr.High
					good := !tr.Fit
					if j.accuracy > 0 {
						good = tr.Fit && in && tr.Source == "people"
					}
					fit, within, right = fit+bit(tr.Fit), within+bit(in), right+bit(good)
					if !good {
						t.Logf("seed %d, %s: fit %t, accuracy %.2f [%.2f, %.2f] of %d; %q", seed, api, tr.Fit, tr.Accuracy, tr.Low, tr.High, tr.Pairs, tr.Reasons)
					}
				}
				if j.accuracy > 0 {
					t.Logf("true accuracy %.3f: fit %d, within the interval %d, both %d of %d", truth, fit, within, right, seeds)
				} else {
					t.Logf("unfit %d of %d", right, seeds)
				}
				if 100*right < 95*seeds {
					t.Errorf("%d of %d examinations were right", right, seeds)
				}
			})
		}
	}
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
