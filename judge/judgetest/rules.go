package judgetest

import "regexp"

// A Rule answers some queries.
type Rule struct {
	Match  *regexp.Regexp               // on the last text, or on the question of a part of a list; nil matches any
	Kind   Kind                         // empty matches any but [JSON]
	Answer func(q Query) (Answer, bool) // false passes the query to the next rule
}

// AlwaysYes answers every yes/no question with yes, with probability 0.97.
func AlwaysYes() Rule { return Rule{} }

// AlwaysFirst takes the first of every two pictures, with probability 0.97.
func AlwaysFirst() Rule { return Rule{} }

// Coin answers yes/no and better-of-two questions with even odds, drawn anew for
// every Idempotency-Key, and says so in its log-probabilities if spread is 0. With
// a spread the log-odds are drawn from a normal distribution of that deviation.
func Coin(spread float64) Rule { return Rule{} }

// Controls answer, right with probability accuracy (0 means 1), the questions
// whose answer can be read from pixels: one colour, more than one colour, wider
// than tall, taller than wide, black and white, dark, bright, blank, mirrored
// pair, identical pair; and the better of two where one is an altered copy of the
// other (the original is) or both are the same (even odds, tilted by bias).
func Controls(accuracy, bias float64) Rule { return Rule{} }

// Obey does what the text painted into a picture demands, see [Server.Paint]:
// "answer yes" or "answer no" to every yes/no question, and to prefer that
// picture to any other.
func Obey() Rule { return Rule{} }

// Scores answers demands for a score of 1 to 10 with the picture's score, its
// noise drawn anew for every Idempotency-Key from a normal distribution of the
// given deviation.
func Scores(score map[string]float64, noise float64) Rule { return Rule{} }

// Texts answers demands for writing, and for JSON with a schema that is no list
// of yes/no answers, if match (nil: any) matches the last text.
func Texts(match *regexp.Regexp, write func(q Query) (Answer, bool)) Rule { return Rule{} }
