package judge

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
	"github.com/gen-emerge/assay/stat"
)

// A FoilReport says how the discredited prompt for a number from 1 to 10 did. Its
// numbers are counted here and nowhere else; they are no readings.
type FoilReport struct {
	Pictures   int         `json:"pictures"`           // that got a number
	Unanswered int         `json:"unanswered"`         // requests that gave none
	Counts     [10]int     `json:"counts"`             // how often 1, 2, ... 10 was given at the first asking; halves are rounded up
	Distinct   int         `json:"distinct"`           // different numbers given
	Spread     float64     `json:"spread"`             // standard deviation over the pictures, in points
	Same       Share       `json:"same"`               // of the pictures asked twice: got the same number again
	Ties       Share       `json:"ties"`               // of people's pairs: both pictures got one number, and so nothing is decided
	Agree      Share       `json:"agree"`              // of people's pairs that were not ties: the better one got the higher number
	Pairwise   *stat.Count `json:"pairwise,omitempty"` // of people's pairs the same judge decided by comparing: went as people decided
	Cost       Cost        `json:"cost"`
}

// A Share is a count with its 95 % Wilson interval.
type Share struct {
	stat.Count
	Low  float64 `json:"low"` // 0 to 1 if N is 0
	High float64 `json:"high"`
}

func shareOf(k, n int) Share {
	iv, err := stat.Wilson(k, n, 0.95)
	if err != nil {
		iv = stat.Interval{Lo: 0, Hi: 1} // of nothing everything is possible
	}
	return Share{stat.Count{K: k, N: n}, iv.Lo, iv.Hi}
}

const foilPrompt = "Rate the quality of this picture as a work of art on a scale from 1 to 10, where 10 is best. Answer with the number only."

// Foil runs the prompt that assay was made to replace, on a creator's own
// pictures, so that they see why: it asks for a number from 1 to 10, twice a
// picture, with at most opt.FoilCalls requests. Pictures of people's pairs come
// first. The error is the asker's, and comes with what was answered until then.
func Foil(ctx context.Context, m vlm.Model, subjects []Subject, pairs []HumanPair, opt AuditOptions) (FoilReport, error) {
	opt, err := opt.filled()
	if err != nil {
		return FoilReport{}, err
	}
	meter := newMeter(m.Asker, opt.FoilCalls)
	m.Asker = meter
	e := &examination{meter: meter, m: m, opt: opt}
	if s, ok := meter.next.(spender); ok {
		e.before = new(s.Spent())
	}
	shown := foilSubjects(subjects, pairs, opt)
	numbers := make([][2]float64, len(shown))
	var work []func() error
	for i, s := range shown {
		for turn := range 2 {
			numbers[i][turn] = math.NaN()
			work = append(work, func() error {
				n, err := e.number(ctx, s, turn)
				if err == nil {
					numbers[i][turn] = n
				}
				return err
			})
		}
	}
	failed := e.all(work)
	r := foilReport(shown, numbers, pairs)
	r.Cost = e.cost(e.before)
	return r, failed
}

// foilSubjects draws the pictures: both of a pair, pair by pair, then others.
func foilSubjects(subjects []Subject, pairs []HumanPair, opt AuditOptions) (out []Subject) {
	rng := rand.New(rand.NewPCG(opt.Seed, 0xf011))
	seen := map[assay.Digest]bool{}
	add := func(ss ...Subject) {
		for _, s := range ss {
			if !seen[s.Image] && s.Sent != nil && len(out) < opt.FoilCalls/2 {
				seen[s.Image] = true
				out = append(out, s)
			}
		}
	}
	for _, i := range rng.Perm(len(pairs)) {
		add(pairs[i].A, pairs[i].B)
	}
	for _, i := range rng.Perm(len(subjects)) {
		add(subjects[i])
	}
	return out
}

// number asks once; NaN if the reply holds no number.
func (e *examination) number(ctx context.Context, s Subject, turn int) (float64, error) {
	r := vlm.Request{Parts: []vlm.Part{{Image: s.Sent}, {Text: foilPrompt}}, MaxTokens: 16, Sample: e.opt.Ask.sample(turn, 0, 0)}
	if e.m.Can.Temperature {
		r.Temperature = new(1.0)
	}
	reply, err := e.m.Asker.Ask(ctx, r)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return math.NaN(), nil
	}
	if err != nil {
		return math.NaN(), err
	}
	if n, ok := readNumber(reply.Text); ok && refusal(reply) == "" {
		return n, nil
	}
	return math.NaN(), nil
}

var numberForm = regexp.MustCompile(`[0-9]+(?:[.,][0-9]+)?`)

// readNumber reads a number from 1 to 10 from a reply that holds one number, or
// one followed by "/10" or "out of 10".
func readNumber(text string) (float64, bool) {
	text = strings.ToLower(text)
	found := numberForm.FindAllStringIndex(text, -1)
	if len(found) == 2 {
		between := strings.TrimSpace(text[found[0][1]:found[1][0]])
		if (between == "/" || between == "out of" || between == "von") && text[found[1][0]:found[1][1]] == "10" {
			found = found[:1]
		}
	}
	if len(found) != 1 {
		return 0, false
	}
	start := found[0][0]
	if start > 0 && (text[start-1] == '-' || text[start-1] == '.') {
		return 0, false
	}
	n, err := strconv.ParseFloat(strings.ReplaceAll(text[start:found[0][1]], ",", "."), 64)
	if err != nil || n < 1 || n > 10 {
		return 0, false
	}
	return n, true
}

func foilReport(shown []Subject, numbers [][2]float64, pairs []HumanPair) FoilReport {
	var r FoilReport
	first := map[assay.Digest]float64{}
	var values []float64
	same, twice := 0, 0
	for i, n := range numbers {
		r.Unanswered += bit(math.IsNaN(n[0])) + bit(math.IsNaN(n[1]))
		if !math.IsNaN(n[0]) && !math.IsNaN(n[1]) {
			twice++
			same += bit(n[0] == n[1])
		}
		if math.IsNaN(n[0]) {
			continue
		}
		r.Pictures++
		r.Counts[min(10, int(n[0]+0.5))-1]++
		first[shown[i].Image] = n[0]
		values = append(values, n[0])
	}
	r.Same = shareOf(same, twice)
	ties, agree, n := 0, 0, 0
	for _, p := range pairs {
		a, okA := first[p.A.Image]
		b, okB := first[p.B.Image]
		if !okA || !okB || p.A.Image == p.B.Image {
			continue
		}
		n++
		ties += bit(a == b)
		agree += bit(a != b && (a > b) == p.AWins)
	}
	r.Ties, r.Agree = shareOf(ties, n), shareOf(agree, n-ties)
	var mean, ss float64
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		ss += (v - mean) * (v - mean)
	}
	if len(values) > 1 {
		r.Spread = math.Sqrt(ss / float64(len(values)-1))
	}
	slices.Sort(values)
	r.Distinct = len(slices.Compact(values))
	return r
}
