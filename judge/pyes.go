package judge

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/mathext"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
)

const (
	// positions of a reply are looked at until one is an answer: some models
	// put a newline, a quote or a bold mark first.
	positions = 3
	// variants is how many spellings of one word a vocabulary is taken to hold:
	// lower, title and upper case, each with and without a space before it.
	variants = 6
	// minCoverage is the share of the distribution, or of the samples, that must
	// be an answer.
	minCoverage = 0.5
	// sentinel and below mean "outside the list" on some servers.
	sentinel = -9000
	// leftOver is what the listed alternatives to a certainty may add up to.
	leftOver = 1e-3
)

// The reasons for an abstention begin with one of these.
const (
	cannotTell = "cannot tell"
	refusedTo  = "refused: "
	noAnswer   = "no answer: "
)

// ReadYes reads the probability of yes from the distribution over a reply's
// first word: over the first of at most three positions whose most probable
// token is an answer, all spellings of yes and of no are summed. P is their
// ratio, Coverage their sum, and Low and High are what the spellings that were
// not listed could make of P. A coverage below one half is an abstention, and so
// is a refusal or a reply without probabilities. Sentinels and probabilities
// that cannot be are taken as missing; so is a certainty that stands alone,
// which is how an omitted probability looks.
func ReadYes(r vlm.Reply) assay.Belief { return yesNo.distribution(r) }

// distribution is [ReadYes] for any pair of answers.
func (l lexicon) distribution(r vlm.Reply) assay.Belief {
	none := assay.Belief{Method: assay.ByLogProbs}
	if why := refusal(r); why != "" {
		none.Abstained = refusedTo + why
		return none
	}
	for _, tok := range r.Tokens[:min(positions, len(r.Tokens))] {
		alts := alternatives(tok)
		if len(alts) > 0 && l.words[normal(alts[0].Text)] != nothing {
			return l.weigh(alts, r.Text)
		}
		said := tok.Text
		if said == "" && len(alts) > 0 {
			said = alts[0].Text
		}
		// What follows a mark answers the question; what follows a word answers
		// whatever that word began.
		if !isMark(said) {
			if len(alts) > 0 {
				return l.weigh(alts, r.Text)
			}
			break
		}
	}
	switch _, refused := l.read(r.Text); {
	case refused:
		none.Abstained = refusedTo + excerpt(r.Text)
	case !hasProbabilities(r):
		none.Abstained = noAnswer + "the server gave no probabilities"
	default:
		none.Abstained = fmt.Sprintf("%sno %s or %s with probabilities among the first %d tokens of %q",
			noAnswer, l.first, l.other, positions, excerpt(r.Text))
	}
	return none
}

func hasProbabilities(r vlm.Reply) bool {
	return slices.ContainsFunc(r.Tokens, func(t vlm.Token) bool { return len(alternatives(t)) > 0 })
}

// alternatives returns what is possible at one position, most probable first,
// with the token that was chosen even where the server leaves it out of its own
// list.
func alternatives(t vlm.Token) []vlm.Alternative {
	alts := slices.Clone(t.Top)
	if t.LogProb != nil && !slices.ContainsFunc(alts, func(a vlm.Alternative) bool { return a.Text == t.Text }) {
		alts = append(alts, vlm.Alternative{Text: t.Text, LogProb: *t.LogProb})
	}
	alts = slices.DeleteFunc(alts, func(a vlm.Alternative) bool {
		return !(a.LogProb > sentinel && a.LogProb < 1e-6)
	})
	others := 0.0
	for _, a := range alts {
		if a.LogProb < 0 {
			others += math.Exp(a.LogProb)
		}
	}
	certain := func(a vlm.Alternative) bool { return a.LogProb >= 0 }
	count := 0
	for _, a := range alts {
		if certain(a) {
			count++
		}
	}
	if count > 1 || count == len(alts) || others > leftOver {
		alts = slices.DeleteFunc(alts, certain)
	}
	slices.SortStableFunc(alts, func(a, b vlm.Alternative) int {
		switch {
		case a.LogProb > b.LogProb:
			return -1
		case a.LogProb < b.LogProb:
			return 1
		}
		return 0
	})
	return alts
}

// weigh reads one position.
func (l lexicon) weigh(alts []vlm.Alternative, text string) assay.Belief {
	var mass [unsure + 1]float64
	var listed [unsure + 1]int
	var total float64
	for _, a := range alts {
		p := math.Exp(a.LogProb)
		s := l.words[normal(a.Text)]
		mass[s] += p
		listed[s]++
		total += p
	}
	least := math.Exp(alts[len(alts)-1].LogProb)
	unlisted := func(s side) float64 {
		return min(max(0, 1-total), least*float64(max(0, variants-listed[s])))
	}
	sum := mass[yes] + mass[no] + mass[equal]
	b := assay.Belief{Method: assay.ByLogProbs, Coverage: min(1, sum)}
	if b.Coverage < minCoverage {
		s, refused := l.read(text)
		switch {
		case refused:
			b.Abstained = refusedTo + excerpt(text)
		case s == unsure || l.words[normal(alts[0].Text)] == unsure:
			b.Abstained = cannotTell
		default:
			b.Abstained = fmt.Sprintf("%s%s and %s have %.0f %% of the distribution, %q has %.0f %%",
				noAnswer, l.first, l.other, 100*sum, alts[0].Text, 100*math.Exp(alts[0].LogProb))
		}
		return b
	}
	first := mass[yes] + mass[equal]/2
	b.P = first / sum
	b.Low = first / (sum + unlisted(no))
	b.High = (first + unlisted(yes)) / (sum + unlisted(yes))
	if half := unlisted(equal); l.ties {
		b.Low = min(b.Low, (first+half/2)/(sum+unlisted(no)+half))
		b.High = max(b.High, (first+unlisted(yes)+half/2)/(sum+unlisted(yes)+half))
	}
	return b
}

// refusal returns why a reply is a refusal, or nothing.
func refusal(r vlm.Reply) string {
	switch {
	case r.Refusal != "":
		return excerpt(r.Refusal)
	case r.Finish == "refusal":
		return "the model declined"
	case r.Finish == "filter":
		return "the server's filter"
	}
	return ""
}

// excerpt is a text short enough for a reason, on one line.
func excerpt(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(s, "�")), " ")
	if r := []rune(s); len(r) > 100 {
		return string(r[:100]) + "…"
	}
	return s
}

// A tally counts the answers drawn to one question.
type tally struct {
	first, second, half, unsure, refused, bad int
	refusal, malformed                        string // the last reasons
}

// add counts one draw; why is the reason for a refusal or a malformed reply.
func (t *tally) add(s side, refused bool, why string) {
	switch {
	case refused:
		t.refused++
		t.refusal = why
	case s == yes:
		t.first++
	case s == no:
		t.second++
	case s == equal:
		t.half++
	case s == unsure:
		t.unsure++
	default:
		t.bad++
		t.malformed = why
	}
}

// belief returns P = (k+½)/(n+1) of the n draws that were answers, with the
// 95 % Jeffreys interval, whose mean that is.
func (t tally) belief() assay.Belief {
	answered := t.first + t.second + t.half
	all := answered + t.unsure + t.refused + t.bad
	b := assay.Belief{Method: assay.BySamples, Samples: all, Yes: t.first}
	if all > 0 {
		b.Coverage = float64(answered) / float64(all)
	}
	if all == 0 || b.Coverage < minCoverage {
		switch max(t.unsure, t.refused, t.bad) {
		case t.unsure:
			b.Abstained = cannotTell
		case t.refused:
			b.Abstained = refusedTo + t.refusal
		default:
			b.Abstained = noAnswer + t.malformed
		}
		return b
	}
	k, n := float64(t.first)+float64(t.half)/2, float64(answered)
	b.P = (k + 0.5) / (n + 1)
	b.Low, b.High = jeffreys(k, n)
	return b
}

// jeffreys returns the 95 % interval of Jeffreys for k of n, k possibly
// halved by ties, with the borders for none and all (Brown, Cai and DasGupta
// 2001).
func jeffreys(k, n float64) (lo, hi float64) {
	lo, hi = 0, 1
	if k > 0 {
		lo = mathext.InvRegIncBeta(k+0.5, n-k+0.5, 0.025)
	}
	if k < n {
		hi = 1 - mathext.InvRegIncBeta(n-k+0.5, k+0.5, 0.025)
	}
	return lo, hi
}

// Logit returns the log-odds of p, clamped to ±6: beyond that a distribution
// says nothing that another wording would not undo. p is in [0,1].
func Logit(p float64) float64 {
	if p <= 0 {
		return -6
	}
	if p >= 1 {
		return 6
	}
	return min(6, max(-6, math.Log(p)-math.Log1p(-p)))
}

// flip returns the belief in the opposite, for answers without ties.
func flip(b assay.Belief) assay.Belief {
	if b.Method == assay.BySamples {
		b.Yes = int(math.Round(b.Coverage*float64(b.Samples))) - b.Yes
	}
	if b.Known() {
		b.P, b.Low, b.High = 1-b.P, 1-b.High, 1-b.Low
	}
	return b
}
