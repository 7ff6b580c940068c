package judge

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gen-emerge/assay"
)

const (
	maxID   = 40  // characters of a question's own id, of a set's name and of a dimension's
	maxText = 240 // characters of a question
)

var namePattern = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9])*$`)

// isName reports whether s can name a set, a dimension, a ladder or, in its
// dimension, a question. Names become parts of ids, axes and files.
func isName(s string) bool { return len(s) <= maxID && namePattern.MatchString(s) }

// nameForm says what isName wants.
var nameForm = fmt.Sprintf("want at most %d small letters, digits and single hyphens", maxID)

// asksForScore finds questions that want a number. assay never asks for one.
var asksForScore = regexp.MustCompile(`(?i)\b(scores?|scored|rate|rated|rating|out of (ten|10|five|5|100)|on a scale|how many (points|stars))\b`)

// openQuestion finds questions that yes and no do not answer.
var openQuestion = regexp.MustCompile(`(?i)^(how|what|which|who|whose|whom|where|when|why)\b`)

// Check returns what keeps s from being asked, as an error that names the question
// and wraps [assay.ErrInvalid]: names, texts that are no yes/no question,
// polarities, kinds and scopes that do not exist, needs that are not there or go
// in a circle. [ParseSet] has done it.
func (s *Set) Check() error {
	if !isName(s.Name) {
		return fmt.Errorf("set: name %q: %s: %w", s.Name, nameForm, assay.ErrInvalid)
	}
	if s.Version < 1 {
		return fmt.Errorf("version: %d: versions count from 1: %w", s.Version, assay.ErrInvalid)
	}
	byID, byText := map[string]assay.Question{}, map[string]string{}
	for i, d := range s.Dimensions {
		switch {
		case !isName(d.Name):
			return fmt.Errorf("dimension: name %q: %s: %w", d.Name, nameForm, assay.ErrInvalid)
		case d.Name == controlDimension:
			return fmt.Errorf("dimension %q: questions with known answers are made from each picture and are not listed: %w", d.Name, assay.ErrInvalid)
		case slices.ContainsFunc(s.Dimensions[:i], func(o Dimension) bool { return o.Name == d.Name }):
			return fmt.Errorf("dimension %q is there twice: %w", d.Name, assay.ErrInvalid)
		}
		for _, q := range d.Questions {
			if err := checkQuestion(q); err != nil {
				return fmt.Errorf("question %s: %w", q.ID, err)
			}
			if byID[q.ID].ID != "" {
				return fmt.Errorf("question %s is there twice: %w", q.ID, assay.ErrInvalid)
			}
			if other := byText[q.Scope+" "+strings.ToLower(q.Text)]; other != "" {
				return fmt.Errorf("question %s asks what %s asks: retire one: %w", q.ID, other, assay.ErrInvalid)
			}
			byID[q.ID], byText[q.Scope+" "+strings.ToLower(q.Text)] = q, q.ID
		}
	}
	if len(byID) == 0 || len(byID) > maxQuestions {
		return fmt.Errorf("%d questions: a set has 1 to %d: %w", len(byID), maxQuestions, assay.ErrInvalid)
	}
	if err := s.checkNeeds(byID); err != nil {
		return err
	}
	return s.checkLadders(byID)
}

// checkQuestion holds one question to its form.
func checkQuestion(q assay.Question) error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf(format+": %w", append(args, assay.ErrInvalid)...)
	}
	if err := checkText(q.Text); err != nil {
		return err
	}
	switch q.Kind {
	case "floor", "plain", "superlative":
		if q.Good != assay.YesIsGood && q.Good != assay.NoIsGood {
			return wrong("good: %q: say which answer speaks for the picture, yes or no", q.Good)
		}
	case "presence":
		if q.Good != assay.Neither {
			return wrong("good: %q: a question of kind presence asks what there is, and neither answer is good", q.Good)
		}
	default:
		return wrong("kind: %q: want floor, plain, superlative or presence", q.Kind)
	}
	switch q.Scope {
	case "image", "prompt", "style":
	default:
		return wrong("scope: %q: want image, prompt or style", q.Scope)
	}
	return nil
}

// checkText holds a text to the form of a yes/no question.
func checkText(text string) error {
	var what string
	switch n := utf8.RuneCountInString(text); {
	case !utf8.ValidString(text):
		what = "is not UTF-8"
	case n == 0:
		what = "is empty"
	case n > maxText:
		what = fmt.Sprintf("has %d characters, at most %d are asked", n, maxText)
	case strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }):
		what = "has a line break or another character that is not printed"
	case !strings.HasSuffix(text, "?") && !strings.HasSuffix(text, "？"):
		what = "does not end with a question mark"
	case strings.Count(text, "?")+strings.Count(text, "？") > 1:
		what = "has more than one question mark: ask one thing"
	case openQuestion.MatchString(text):
		what = "is not answered by yes or no"
	case asksForScore.MatchString(text):
		what = "asks for a number: no judge is asked for a score"
	default:
		return nil
	}
	if len(text) > 100 {
		text = strings.ToValidUTF8(text[:100], "") + "…"
	}
	return fmt.Errorf("text: %q %s: %w", text, what, assay.ErrInvalid)
}

// checkNeeds holds that what questions need is there, and not in a circle.
func (s *Set) checkNeeds(byID map[string]assay.Question) error {
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		for _, need := range byID[id].Needs {
			if other, ok := byID[need]; !ok || other.TwinOf != "" {
				why := "which is not there"
				switch {
				case ok:
					why = "which is the negation of " + other.TwinOf + ": need that"
				case slices.ContainsFunc(s.Retired, func(r Retired) bool { return r.Question.ID == need }):
					why = "which is retired: retire this one too, or say needs: []"
				}
				return fmt.Errorf("question %s needs %q, %s: %w", id, need, why, assay.ErrInvalid)
			}
		}
	}
	if circle := findCircle(byID); circle != nil {
		return fmt.Errorf("questions need each other in a circle: %s: %w", strings.Join(circle, " needs "), assay.ErrInvalid)
	}
	return nil
}

// findCircle returns ids that need each other, the first one again at the end, or
// nil.
func findCircle(byID map[string]assay.Question) []string {
	done := map[string]bool{}
	var path []string
	var walk func(id string) []string
	walk = func(id string) []string {
		if at := slices.Index(path, id); at >= 0 {
			return append(slices.Clone(path[at:]), id)
		}
		if done[id] {
			return nil
		}
		path = append(path, id)
		for _, need := range byID[id].Needs {
			if circle := walk(need); circle != nil {
				return circle
			}
		}
		path = path[:len(path)-1]
		done[id] = true
		return nil
	}
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		if circle := walk(id); circle != nil {
			return circle
		}
	}
	return nil
}

// checkLadders holds that a ladder's steps are questions of which one answer is
// good.
func (s *Set) checkLadders(byID map[string]assay.Question) error {
	names := map[string]bool{}
	for _, l := range s.Ladders {
		if names[l.Name] || !isName(l.Name) {
			return fmt.Errorf("ladder: name %q: %s, once: %w", l.Name, nameForm, assay.ErrInvalid)
		}
		names[l.Name] = true
		if len(l.Steps) < 2 {
			return fmt.Errorf("ladder %s: %d steps: want at least 2: %w", l.Name, len(l.Steps), assay.ErrInvalid)
		}
		for i, id := range l.Steps {
			q, ok := byID[id]
			switch {
			case !ok:
				return fmt.Errorf("ladder %s: there is no question %q; steps are named with their dimension, and retired ones are taken off: %w", l.Name, id, assay.ErrInvalid)
			case q.Good == assay.Neither || q.TwinOf != "":
				return fmt.Errorf("ladder %s: %s says nothing for or against the picture by itself: %w", l.Name, id, assay.ErrInvalid)
			case slices.Contains(l.Steps[:i], id):
				return fmt.Errorf("ladder %s: %s is there twice: %w", l.Name, id, assay.ErrInvalid)
			}
		}
	}
	return nil
}

// twoFacts finds questions that may ask two things.
var twoFacts = regexp.MustCompile(`(?i)\b(and|or)\b|/`)

// negated finds questions that are asked in the negative.
var negated = regexp.MustCompile(`(?i)\b(not|no|never|nothing|none|without)\b|n't\b`)

// Advice returns sentences on what the evidence speaks against in a set that can be
// asked: questions of two facts or in the negative, dimensions of too few or too
// many questions, with few floor questions, without twins, or in which a judge who
// always says the same finds everything good. Source: the weights and accuracies
// by wording that VisionReward publishes (arXiv:2412.21059).
func (s *Set) Advice() []string {
	var out []string
	for _, d := range s.Dimensions {
		kinds, good := map[string]int{}, map[assay.Polarity]int{}
		asked, twins := 0, 0
		for _, q := range d.Questions {
			if twoFacts.MatchString(q.Text) {
				out = append(out, fmt.Sprintf("%s: %q may ask two things: ask one fact a question", q.ID, q.Text))
			}
			if q.TwinOf != "" {
				twins++
				continue
			}
			if strings.HasPrefix(strings.ToLower(q.Text), "isn't") || negated.MatchString(firstWords(q.Text, 4)) {
				out = append(out, fmt.Sprintf("%s: %q is asked in the negative, which judges misread: ask for the fact and say which answer is good", q.ID, q.Text))
			}
			asked++
			kinds[q.Kind]++
			good[q.Good]++
		}
		out = append(out, dimensionAdvice(d.Name, asked, twins, kinds, good)...)
	}
	return out
}

func dimensionAdvice(name string, asked, twins int, kinds map[string]int, good map[assay.Polarity]int) (out []string) {
	scored := asked - kinds["presence"]
	say := func(format string, args ...any) {
		out = append(out, "dimension "+name+": "+fmt.Sprintf(format, args...))
	}
	if asked < 10 || asked > 15 {
		say("%d questions: fewer than 10 leave much to chance, more than 15 add little", asked)
	}
	if 10*twins < asked {
		say("%d of %d questions have a twin: give at least one in ten", twins, asked)
	}
	if 2*kinds["floor"] < scored {
		say("%d of %d are floor questions: ask mostly for defects, which people's preferences follow", kinds["floor"], scored)
	}
	if 5*kinds["superlative"] > scored {
		say("%d of %d are superlatives: more than one in five tells little", kinds["superlative"], scored)
	}
	if least := min(good[assay.YesIsGood], good[assay.NoIsGood]); 10*least < 3*scored {
		say("%d good by yes, %d by no: a judge who always says the same goes unnoticed", good[assay.YesIsGood], good[assay.NoIsGood])
	}
	return out
}

func firstWords(text string, n int) string {
	words := strings.Fields(text)
	return strings.Join(words[:min(n, len(words))], " ")
}
