package judgetest

// An Answer is what the stand-in says: a distribution over short answers, a
// text, a JSON value, or a refusal. Exactly one of them is set.
type Answer struct {
	Words   []Word // drawn from by seed and Idempotency-Key, reported as log-probabilities
	Text    string
	JSON    any    // the reply as a value for encoding/json; the schema is not checked
	Refused string // words of a refusal
}

// A Word is a short answer and its probability. Probabilities are scaled to a
// sum of 1.
type Word struct {
	Text string
	P    float64
}

// Yes answers "yes" with probability p, else "no".
func Yes(p float64) Answer {
	return Answer{Words: []Word{{"yes", p}, {"no", 1 - p}}}
}

// First answers "equal" with probability equal, else "first" with probability p
// and "second" with 1 − p.
func First(p, equal float64) Answer {
	return Answer{Words: []Word{{"first", p * (1 - equal)}, {"second", (1 - p) * (1 - equal)}, {"equal", equal}}}
}

// Says answers with a text.
func Says(text string) Answer { return Answer{Text: text} }

// Object answers with a JSON value.
func Object(v any) Answer { return Answer{JSON: v} }

// Declines answers with a refusal.
func Declines(words string) Answer { return Answer{Refused: words} }
