package judgetest

import (
	"math"
	"regexp"
	"strings"
)

// Content is a judge that looks: it knows the truth and errs at a stated rate.
// Errors and log-odds are drawn by seed, question, pictures and the texts before
// the last (for pairs: by both names, whatever their order), so a repeated question
// meets the same error.
//
// Accuracy is that of the log-odds' sign. A word drawn from small log-odds is less
// accurate: with Strength 3 some 5 % of words go against the sign, with 8 next to
// none.
type Content struct {
	Yes      func(q Query) (yes, known bool) // truth of q.Question about q.Pictures; nil knows none
	Twins    map[string]string               // text of a negated question → text of the one it negates: Yes is asked the latter, the error is one, the answers are opposite
	Quality  map[string]float64              // of pictures by name: more is better
	Accuracy float64                         // probability that the content log-odds have the right sign; 0 means 1
	Strength float64                         // mean size of the content log-odds, which are uniform on [0.2, 1.8] times it; 0 means 3
	Slope    float64                         // if not 0, pairs have content log-odds Slope·(difference of quality) + Noise·normal instead, and Accuracy is for yes/no only
	Noise    float64                         // deviation of normal noise added to the log-odds of every call, drawn by Idempotency-Key (with Slope: by pair)
	Bias     float64                         // added to the log-odds of the first picture
	Stuck    float64                         // share of pairs of which the first picture is taken whatever it shows, with log-odds of 6
	YesBias  float64                         // added to the log-odds of yes
	Equal    float64                         // a pair whose content log-odds are smaller answers "equal" with probability 0.9; 0 never
	Controls float64                         // accuracy on what [Controls] answer; 0 means 1
}

// ContentAware gives the rules of c: first the truth, then [Controls]. With both
// orders asked and their probabilities averaged, the preferred picture of a pair
// is the better one at exactly the rate Accuracy, whatever Bias: the average of
// σ(c+b) and σ(c−b) is above one half if and only if c > 0. (Of Stuck pairs the
// average is exactly one half.)
func ContentAware(c Content) []Rule {
	if c.Accuracy == 0 {
		c.Accuracy = 1
	}
	if c.Strength == 0 {
		c.Strength = 3
	}
	return []Rule{
		{Kind: YesNo, Answer: c.yes},
		{Kind: Better, Answer: c.better},
		Controls(c.Controls, c.Bias),
	}
}

// odds are content log-odds with the sign of truth, drawn by labels.
func (c Content) odds(q Query, truth bool, labels ...string) float64 {
	size := c.Strength * (0.2 + 1.6*Draw(q.Seed, append(labels, "size")...))
	if truth == (Draw(q.Seed, append(labels, "right")...) < c.Accuracy) {
		return size
	}
	return -size
}

func (c Content) yes(q Query) (Answer, bool) {
	if c.Yes == nil {
		return Answer{}, false
	}
	sign := 1.0
	if twin, ok := c.Twins[q.Question]; ok {
		q.Question, sign = twin, -1
	}
	truth, known := c.Yes(q)
	if !known {
		return Answer{}, false
	}
	labels := []string{"yes", q.Question}
	for _, p := range q.Pictures {
		labels = append(labels, p.Name)
	}
	if len(q.Texts) > 1 { // a prompt that was shown
		labels = append(labels, q.Texts[:len(q.Texts)-1]...)
	}
	odds := sign*c.odds(q, truth, labels...) + c.YesBias
	if c.Noise > 0 {
		odds += c.Noise * Normal(q.Seed, "noise", q.Key, q.Part)
	}
	return Yes(sigmoid(odds)), true
}

func (c Content) better(q Query) (Answer, bool) {
	a, b := q.Name(0), q.Name(1)
	qa, knowsA := c.Quality[a]
	qb, knowsB := c.Quality[b]
	if a == "" || b == "" || a == b || !knowsA || !knowsB {
		return Answer{}, false
	}
	sign := 1.0
	if a > b {
		a, b, qa, qb, sign = b, a, qb, qa, -1
	}
	if Draw(q.Seed, "stuck", a, b) < c.Stuck {
		return First(sigmoid(6), 0), true
	}
	var odds float64
	switch {
	case c.Slope != 0:
		odds = c.Slope*(qa-qb) + c.Noise*Normal(q.Seed, "pair", a, b)
	case qa == qb: // no side is right
		odds = c.odds(q, Draw(q.Seed, "even", a, b) < 0.5, "better", a, b)
	default:
		odds = c.odds(q, qa > qb, "better", a, b)
	}
	odds *= sign
	equal := 0.0
	if math.Abs(odds) < c.Equal {
		equal = 0.9
	}
	if c.Noise > 0 && c.Slope == 0 {
		odds += c.Noise * Normal(q.Seed, "noise", q.Key)
	}
	return First(sigmoid(odds+c.Bias), equal), true
}

// A factual is a question whose answer is in the pixels. The first that matches
// and knows decides.
var factual = []struct {
	match *regexp.Regexp
	fact  func(p []Seen) (yes, known bool)
}{
	{regexp.MustCompile(`exactly the same as|exactly alike|the same (picture|image)\b|identical (pictures|images|to)\b|identical\?`), func(p []Seen) (bool, bool) {
		return len(p) >= 2 && p[0].Same(p[1]), len(p) >= 2
	}},
	{regexp.MustCompile(`\bmirror(ed)? (image|picture|copy|each)|\bmirrored\?|symmetric`), func(p []Seen) (bool, bool) {
		if len(p) >= 2 {
			return p[0].Mirrors(p[1]), true
		}
		return p[0].Symmetric(), true
	}},
	{regexp.MustCompile(`(more than one|several|at least two|two or more)( different)? (colou?rs?|shades)\b|differently colou?red parts|differ from others in shade`), about(func(s Seen) bool { return !s.Plain })},
	{regexp.MustCompile(`\bone( flat| even| plain| single| uniform| solid|,)* colou?r\b|\b(single|uniform|solid|plain)( \w+)? colou?r\b|of exactly the same colou?r|(picture|image) (blank|empty|plain)\?`), about(func(s Seen) bool { return s.Plain })},
	{regexp.MustCompile(`lighter than black|is not black\?`), about(func(s Seen) bool { return !s.Dark })},
	{regexp.MustCompile(`darker than white|is not white\?`), about(func(s Seen) bool { return !s.Bright })},
	{regexp.MustCompile(`colou?r other than (black|gr[ae]y)|is not a gr[ae]y\?`), about(func(s Seen) bool { return !s.Grey })},
	{regexp.MustCompile(`black[ -]and[ -]white|gr[ae]y ?scale|shades of gr[ae]y|of gr[ae]ys only|without any colou?r|monochrome`), about(func(s Seen) bool { return s.Grey })},
	{regexp.MustCompile(`(black|dark) all over|(whole|entire) (picture|image) (black|dark)\?|every part of the (picture|image) black|(almost|completely|entirely|nearly|wholly) (black|dark)`), about(func(s Seen) bool { return s.Dark })},
	{regexp.MustCompile(`(white|bright) all over|(whole|entire) (picture|image) (white|bright)\?|every part of the (picture|image) white|(almost|completely|entirely|nearly|wholly) (white|bright)`), about(func(s Seen) bool { return s.Bright })},
	{regexp.MustCompile(`wider than|in landscape format`), about(func(s Seen) bool { return s.Width > s.Height })},
	{regexp.MustCompile(`(taller|higher) than|in portrait format`), about(func(s Seen) bool { return s.Height > s.Width })},
	{regexp.MustCompile(`as (wide|tall|high) as`), about(func(s Seen) bool { return s.Width == s.Height })},
}

// about is a fact of the first picture.
func about(fact func(Seen) bool) func(p []Seen) (bool, bool) {
	return func(p []Seen) (bool, bool) { return fact(p[0]), true }
}

// ofWhole is how a question about a whole picture, or two, begins: not about a
// thing in it, which is the test's to know.
var ofWhole = regexp.MustCompile(`^([\w .]{1,20}: ?)?(is|are|does|do|has|have|can) (the|this|these|both|it|they|every|each|some|at least|there any(thing)?)\b`)

// Controls answer, right with probability accuracy (0 means 1), the questions
// about a whole picture whose answer can be read from its pixels: one colour, more
// than one colour, wider than tall, taller than wide, square, black and white,
// nearly black, nearly white, blank, mirrored pair (or one symmetric picture),
// identical pair; and the better of two where one is an altered copy of the other
// (the original is, with log-odds of 5) or both are the same (even odds), tilted
// by bias. See [Seen.Worse] for the copies that are told.
func Controls(accuracy, bias float64) Rule {
	if accuracy == 0 {
		accuracy = 1
	}
	return Rule{Answer: func(q Query) (Answer, bool) {
		right := func(labels ...string) float64 {
			for _, p := range q.Pictures {
				labels = append(labels, p.Name, p.Altered)
			}
			if Draw(q.Seed, append(labels, "control")...) < accuracy {
				return 1
			}
			return -1
		}
		switch q.Kind {
		case YesNo:
			if yes, known := factIn(q); known {
				odds := -5.0
				if yes {
					odds = 5
				}
				return Yes(sigmoid(odds * right(q.Question))), true
			}
		case Better:
			if len(q.Pictures) < 2 {
				return Answer{}, false
			}
			a, b := q.Pictures[0], q.Pictures[1]
			if worse := a.Worse(b); worse != 0 {
				return First(sigmoid(5*float64(worse)*right("pair")+bias), 0), true
			}
			if a.Same(b) {
				return First(sigmoid(bias), 0), true
			}
		}
		return Answer{}, false
	}}
}

// factIn answers a question of [Controls].
func factIn(q Query) (yes, known bool) {
	question := strings.ToLower(q.Question)
	if len(q.Pictures) == 0 || !ofWhole.MatchString(question) {
		return false, false
	}
	for _, f := range factual {
		if f.match.MatchString(question) {
			if yes, known := f.fact(q.Pictures); known {
				return yes, true
			}
		}
	}
	return false, false
}

// Known is truth as a table, for [Content]: pictures → question → yes. The key is
// the names of all pictures of the query, joined by "+", or that of the first.
func Known(truth map[string]map[string]bool) func(q Query) (yes, known bool) {
	return func(q Query) (yes, known bool) {
		names := make([]string, len(q.Pictures))
		for i, p := range q.Pictures {
			names[i] = p.Name
		}
		if yes, known = truth[strings.Join(names, "+")][q.Question]; !known {
			yes, known = truth[q.Name(0)][q.Question]
		}
		return yes, known
	}
}
