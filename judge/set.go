package judge

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
)

// A Set is a versioned list of yes/no questions, grouped by dimension. A set that
// was forked from another has that set's questions, but for those it changed or
// retired.
type Set struct {
	Name       string
	Version    int         // from 1; raised whenever a question is added, changed or retired
	From       string      // the set it was forked from, as [Set.ID] writes it; empty if none
	About      string      // a sentence for people
	Dimensions []Dimension // in the order they are asked
	Ladders    []Ladder
	Retired    []Retired
}

// A Dimension is what a group of questions is about.
type Dimension struct {
	Name      string           // "composition"
	About     string           // a sentence for people
	Questions []assay.Question // in the set's order; a twin right after the question it negates
}

// A Ladder names questions of which each claims more for the picture than the one
// before, so that whoever grants a later one grants the earlier ones too.
type Ladder struct {
	Name  string
	Steps []string // ids, the weakest claim first; at least 2
}

// A Retired question is no longer asked. The answers that were given stay.
type Retired struct {
	Question assay.Question
	Why      string // for people
}

// twinSuffix makes the id of a twin of the id of its question.
const twinSuffix = ".not"

//go:embed questions/assay-1.yaml
var assay1 []byte

// DefaultYAML returns the file that [DefaultSet] is read from, to learn from.
func DefaultYAML() []byte { return slices.Clone(assay1) }

// builtin lists the sets of this build, the newest version of a name last. A
// version that was published once stays here as it was: forks name it.
var builtin = []struct {
	file string
	text []byte
}{
	{"questions/assay-1.yaml", assay1},
}

// DefaultSet returns assay's own questions: alignment, composition, detail,
// originality and safety, written for generative art. The set is the caller's own.
func DefaultSet() *Set {
	sets := builtinSets()
	return sets[len(sets)-1]
}

// builtinSets returns the sets of this build. They are the caller's own.
func builtinSets() []*Set {
	var sets []*Set
	for _, b := range builtin {
		s, err := parseSet(b.file, b.text, sets)
		if err != nil {
			panic("judge: " + err.Error()) // tests hold that it does not happen
		}
		sets = append(sets, s)
	}
	return sets
}

// ID returns the name and the version: "assay@1".
func (s *Set) ID() string { return fmt.Sprintf("%s@%d", s.Name, s.Version) }

// Names returns the dimensions' names in the set's order.
func (s *Set) Names() []string {
	var names []string
	for _, d := range s.Dimensions {
		names = append(names, d.Name)
	}
	return names
}

// Has returns an error that lists what there is and wraps [assay.ErrNotFound]
// unless the set has all the named dimensions.
func (s *Set) Has(dims ...string) error {
	for _, name := range dims {
		if !slices.Contains(s.Names(), name) {
			return fmt.Errorf("question set %s has no dimension %q (there are %s): %w", s.ID(), name, strings.Join(s.Names(), ", "), assay.ErrNotFound)
		}
	}
	return nil
}

// Questions returns the questions of the named dimensions, of all if none is
// named. A question comes after those it needs, which are returned also where they
// belong to another dimension, and a twin right after the question it negates;
// else the order is the set's. A name that the set does not have adds nothing;
// [Set.Has] tells.
func (s *Set) Questions(dims ...string) []assay.Question {
	byID, twins := map[string]assay.Question{}, map[string]assay.Question{}
	var wanted []string
	for _, d := range s.Dimensions {
		for _, q := range d.Questions {
			if q.TwinOf != "" {
				twins[q.TwinOf] = q
				continue
			}
			byID[q.ID] = q
			if len(dims) == 0 || slices.Contains(dims, d.Name) {
				wanted = append(wanted, q.ID)
			}
		}
	}
	var out []assay.Question
	done := map[string]bool{}
	var add func(id string)
	add = func(id string) {
		q, ok := byID[id]
		if !ok || done[id] {
			return
		}
		done[id] = true // before what it needs, so that a cycle in a set made by hand ends
		for _, need := range q.Needs {
			add(need)
		}
		q.Needs = slices.Clone(q.Needs)
		out = append(out, q)
		if t, ok := twins[id]; ok {
			t.Needs = slices.Clone(t.Needs)
			out = append(out, t)
		}
	}
	for _, id := range wanted {
		add(id)
	}
	return out
}

// VersionOf returns the version of a question: the first 12 hex digits of a
// SHA-256 over its text, its polarity, its scope, its dimension (what is asked, and
// what the answer is counted for) and, of a control, its known answer, which differs
// between pictures. Its id, its kind and what it needs do not count.
func VersionOf(q assay.Question) string {
	parts := []string{"assay question 1", q.Text, string(q.Good), q.Scope, q.Dimension}
	if q.Expect != "" {
		parts = append(parts, q.Expect)
	}
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d:%s\n", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

func withVersion(q assay.Question) assay.Question {
	q.Version = VersionOf(q)
	return q
}

// Violations counts the steps of the ladder that were granted although an earlier
// one was refused, among the steps that are known. granted says, by question id,
// whether the answer spoke for the picture, and whether there is one.
func (l Ladder) Violations(granted func(id string) (yes, known bool)) (violations, steps int) {
	refused := false
	for _, id := range l.Steps {
		yes, known := granted(id)
		if !known {
			continue
		}
		steps++
		switch {
		case !yes:
			refused = true
		case refused:
			violations++
		}
	}
	return violations, steps
}
