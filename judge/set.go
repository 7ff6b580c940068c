package judge

import (
	"errors"

	"github.com/gen-emerge/assay"
)

// A Set is a versioned list of yes/no questions, grouped by dimension. A set that
// says [Set.From] has that set's questions, but for those it changes or retires.
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
	Name      string // "composition"
	About     string // a sentence for people
	Questions []assay.Question
}

// A Ladder names questions of which each claims more than the one before, so that
// a judge who grants a later one must grant the earlier ones too.
type Ladder struct {
	Name  string
	Steps []string // ids, the weakest claim first; at least 2
}

// A Retired question is no longer asked. Its answers stay.
type Retired struct {
	Question assay.Question
	Why      string
}

// DefaultSet returns assay's own questions: five dimensions, written for
// generative art. The set is the caller's own.
func DefaultSet() *Set { panic("judge: not written yet") }

// ParseSet reads a set in YAML. known are sets that it may be forked from; those
// of this build, as [DefaultSet], are known anyway. An error names the file and,
// where there is one, the line, and wraps [assay.ErrInvalid]; if the set to fork
// from is not known it wraps [assay.ErrNotFound] as well.
func ParseSet(file string, text []byte, known ...*Set) (*Set, error) {
	return nil, errors.ErrUnsupported
}

// ID returns "name@version".
func (s *Set) ID() string { return "" }

// Questions returns the questions of the named dimensions that are not retired,
// of all if none is named. A question comes after those it needs, which are
// returned also where they belong to another dimension, and a twin right after
// the question it negates; else the order is the set's.
func (s *Set) Questions(dims ...string) []assay.Question { return nil }

// VersionOf returns the version of a question: the first 12 hex digits of a
// SHA-256 over its text, its polarity and its scope. What it needs, its id and
// its dimension do not change what is asked, and do not count.
func VersionOf(q assay.Question) string { return "" }
