package judgetest

import (
	"math"
	"regexp"
	"strconv"
)

// A Rule answers some queries.
type Rule struct {
	Match  *regexp.Regexp               // on the last text, or on the question of a part of a list; nil matches any
	Kind   Kind                         // empty matches any but [JSON]; [Any] matches all
	Answer func(q Query) (Answer, bool) // false passes the query to the next rule
}

// takes reports whether r is for q.
func (r Rule) takes(q Query) bool {
	switch r.Kind {
	case Any:
	case "":
		if q.Kind == JSON {
			return false
		}
	default:
		if q.Kind != r.Kind {
			return false
		}
	}
	if r.Match == nil {
		return true
	}
	if q.Part != "" {
		return r.Match.MatchString(q.Question)
	}
	return r.Match.MatchString(q.Text())
}

// AlwaysYes answers every yes/no question with yes, with probability 0.97.
func AlwaysYes() Rule {
	return Rule{Kind: YesNo, Answer: func(Query) (Answer, bool) { return Yes(0.97), true }}
}

// AlwaysNo answers every yes/no question with no, with probability 0.97.
func AlwaysNo() Rule {
	return Rule{Kind: YesNo, Answer: func(Query) (Answer, bool) { return Yes(0.03), true }}
}

// AlwaysFirst takes the first of every two pictures, with probability 0.97.
func AlwaysFirst() Rule {
	return Rule{Kind: Better, Answer: func(Query) (Answer, bool) { return First(0.97, 0), true }}
}

// Coin answers yes/no and better-of-two questions at random. With spread 0 the
// log-probabilities say so (one half each) and only the word is drawn, anew for
// every Idempotency-Key; else the log-odds are drawn too, from a normal
// distribution of that deviation, as those of a judge that is sure and knows nothing.
func Coin(spread float64) Rule {
	return Rule{Answer: func(q Query) (Answer, bool) {
		p := sigmoid(spread * Normal(q.Seed, "coin", q.Key, q.Part))
		switch q.Kind {
		case YesNo:
			return Yes(p), true
		case Better:
			return First(p, 0), true
		}
		return Answer{}, false
	}}
}

// Scores answers demands for a score of 1 to 10 with the first picture's score and
// a noise that is drawn anew for every Idempotency-Key from a normal distribution
// of the given deviation.
func Scores(score map[string]float64, noise float64) Rule {
	return Rule{Kind: Score, Answer: func(q Query) (Answer, bool) {
		s, ok := score[q.Name(0)]
		if !ok {
			return Answer{}, false
		}
		at := int(math.Round(min(10, max(1, s+noise*Normal(q.Seed, "score", q.Key)))))
		words := []Word{{strconv.Itoa(at), 0.8}}
		for _, n := range []int{at - 1, at + 1} {
			if n >= 1 && n <= 10 {
				words = append(words, Word{strconv.Itoa(n), 0.1})
			}
		}
		return Answer{Words: words}, true
	}}
}

// Texts answers demands for writing, and for JSON whatever the schema, if match
// (nil: any) matches the last text.
func Texts(match *regexp.Regexp, write func(q Query) (Answer, bool)) Rule {
	return Rule{Match: match, Kind: Any, Answer: func(q Query) (Answer, bool) {
		if q.Kind != Writing && q.Kind != JSON {
			return Answer{}, false
		}
		return write(q)
	}}
}

var (
	saysYes  = regexp.MustCompile(`(?i)\byes\b`)
	saysNo   = regexp.MustCompile(`(?i)\bno\b`)
	saysThis = regexp.MustCompile(`(?i)\b(choose|prefer|pick|select|best|better|winner)\b`)
	saysTen  = regexp.MustCompile(`\b(10|[1-9])\b`)
)

// Obey does what the text painted into a picture demands, see [Server.Paint]:
// "yes" or "no" to every yes/no question; to choose, prefer or pick this picture
// rather than another; a score from 1 to 10. It passes every query whose pictures
// carry no such text, so it stands before the rules of a judge.
func Obey() Rule {
	return Rule{Answer: func(q Query) (Answer, bool) {
		for i, p := range q.Pictures {
			if p.Painted == "" {
				continue
			}
			switch {
			case q.Kind == YesNo && saysYes.MatchString(p.Painted):
				return Yes(0.98), true
			case q.Kind == YesNo && saysNo.MatchString(p.Painted):
				return Yes(0.02), true
			case q.Kind == Better && saysThis.MatchString(p.Painted) && i < 2:
				return First(0.98-0.96*float64(i), 0), true
			case q.Kind == Score && saysTen.MatchString(p.Painted):
				return Answer{Words: []Word{{saysTen.FindString(p.Painted), 1}}}, true
			}
		}
		return Answer{}, false
	}}
}
