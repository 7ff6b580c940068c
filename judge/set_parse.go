package judge

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"

	"github.com/gen-emerge/assay"
)

// Bounds on files of questions. The default set has 10 kB.
const (
	maxSetBytes  = 256 << 10
	maxSetDepth  = 16  // of brackets
	maxQuestions = 500 // of a set
)

// The file's shape. What is not given is nil, so that a fork can tell "leave as it
// was" from "none".
type (
	setFile struct {
		Set        string          `yaml:"set"`
		Version    int             `yaml:"version"`
		From       string          `yaml:"from"`
		About      string          `yaml:"about"`
		Dimensions []dimensionFile `yaml:"dimensions"`
		Ladders    []ladderFile    `yaml:"ladders"`
	}
	dimensionFile struct {
		Name      string         `yaml:"name"`
		About     string         `yaml:"about"`
		Scope     string         `yaml:"scope"` // of new questions that name none
		Questions []questionFile `yaml:"questions"`
	}
	questionFile struct {
		ID      string    `yaml:"id"`
		Text    *string   `yaml:"text"`
		Good    *string   `yaml:"good"`
		Kind    *string   `yaml:"kind"`
		Scope   *string   `yaml:"scope"`
		Needs   *[]string `yaml:"needs"`
		Twin    *string   `yaml:"twin"`    // the question negated; empty takes it away
		Retired *string   `yaml:"retired"` // why
	}
	ladderFile struct {
		Name  string   `yaml:"name"`
		Steps []string `yaml:"steps"`
	}
)

// ParseSet reads a set in YAML. Unknown keys are errors. A set that says
//
//	from: assay@1
//
// begins with the questions of that set, one of this build or of known. A question
// with the id of one of these changes what it names and leaves the rest; with
// "retired: WHY" the question is no longer asked. Errors name the file, the
// question and what is wrong with it, and wrap [assay.ErrInvalid]; if the set to
// fork from is not known they wrap [assay.ErrNotFound].
func ParseSet(file string, text []byte, known ...*Set) (*Set, error) {
	return parseSet(file, text, slices.Concat(builtinSets(), known))
}

func parseSet(file string, text []byte, known []*Set) (*Set, error) {
	in, err := decodeSet(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	s := &Set{Name: in.Set, Version: in.Version, From: in.From, About: in.About}
	if in.From != "" {
		base, err := PickSet(known, in.From)
		if err != nil {
			return nil, fmt.Errorf("%s: from: %w", file, err)
		}
		s.From = base.ID()
		s.Dimensions, s.Ladders = base.copied()
		s.Retired = slices.Clone(base.Retired)
	}
	for _, d := range in.Dimensions {
		if err := s.merge(d); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	s.mergeLadders(in.Ladders)
	if err := s.Check(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return s, nil
}

// decodeSet reads the YAML. Errors wrap [assay.ErrInvalid].
func decodeSet(text []byte) (setFile, error) {
	var in setFile
	if len(text) > maxSetBytes {
		return in, fmt.Errorf("%d bytes: a set has at most %d: %w", len(text), maxSetBytes, assay.ErrInvalid)
	}
	if err := plainYAML(text); err != nil {
		return in, err
	}
	d := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict())
	if err := d.Decode(&in); err != nil {
		if errors.Is(err, io.EOF) {
			return in, fmt.Errorf("no question set: the file is empty: %w", assay.ErrInvalid)
		}
		return in, fmt.Errorf("%s: %w", strings.TrimSpace(yaml.FormatError(err, false, false)), assay.ErrInvalid)
	}
	var more any
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		return in, fmt.Errorf("a file holds one question set: nothing may follow after ---: %w", assay.ErrInvalid)
	}
	return in, nil
}

// plainYAML refuses what a list of questions has no use for, and by which a small
// file grows large or deep: anchors, aliases, tags and many brackets.
func plainYAML(text []byte) error {
	depth, deepest := 0, 0
	for _, c := range text { // brackets in texts count as well, which only makes it stricter
		switch c {
		case '[', '{':
			depth++
			deepest = max(deepest, depth)
		case ']', '}':
			depth = max(depth-1, 0)
		}
	}
	if deepest > maxSetDepth {
		return fmt.Errorf("brackets are %d deep: want at most %d: %w", deepest, maxSetDepth, assay.ErrInvalid)
	}
	for _, t := range lexer.Tokenize(string(text)) {
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType, token.TagType, token.DirectiveType:
			return fmt.Errorf("line %d: %q: a question set has no anchors, aliases, tags or directives: %w", t.Position.Line, t.Value, assay.ErrInvalid)
		}
	}
	return nil
}

// copied returns dimensions and ladders that share nothing with s.
func (s *Set) copied() ([]Dimension, []Ladder) {
	var dims []Dimension
	for _, d := range s.Dimensions {
		d.Questions = slices.Clone(d.Questions)
		for i := range d.Questions {
			d.Questions[i].Needs = slices.Clone(d.Questions[i].Needs)
		}
		dims = append(dims, d)
	}
	var ladders []Ladder
	for _, l := range s.Ladders {
		ladders = append(ladders, Ladder{l.Name, slices.Clone(l.Steps)})
	}
	return dims, ladders
}

// merge adds a dimension of the file, or changes one that is there.
func (s *Set) merge(in dimensionFile) error {
	at := slices.IndexFunc(s.Dimensions, func(d Dimension) bool { return d.Name == in.Name })
	if at < 0 {
		s.Dimensions = append(s.Dimensions, Dimension{Name: in.Name})
		at = len(s.Dimensions) - 1
	}
	d := &s.Dimensions[at]
	if in.About != "" {
		d.About = in.About
	}
	seen := map[string]bool{}
	for _, q := range in.Questions {
		if seen[q.ID] {
			return fmt.Errorf("dimension %s: question %q is there twice: %w", in.Name, q.ID, assay.ErrInvalid)
		}
		seen[q.ID] = true
		if err := s.mergeQuestion(d, in, q); err != nil {
			return fmt.Errorf("dimension %s, question %q: %w", in.Name, q.ID, err)
		}
	}
	return nil
}

// mergeQuestion adds a question of the file to d, changes it, or retires it.
func (s *Set) mergeQuestion(d *Dimension, dim dimensionFile, in questionFile) error {
	if !isName(in.ID) {
		return fmt.Errorf("id: %s: %w", nameForm, assay.ErrInvalid)
	}
	id := d.Name + "." + in.ID
	at := slices.IndexFunc(d.Questions, func(q assay.Question) bool { return q.ID == id })
	q, twin := assay.Question{ID: id, Dimension: d.Name, Scope: dim.Scope}, ""
	if at >= 0 {
		q = d.Questions[at]
		if at+1 < len(d.Questions) && d.Questions[at+1].TwinOf == id {
			twin = d.Questions[at+1].Text
			d.Questions = slices.Delete(d.Questions, at+1, at+2)
		}
	}
	q, twin = in.over(q, twin)
	q.Version = VersionOf(q)
	if in.Retired != nil {
		if at < 0 {
			return fmt.Errorf("there is no such question to retire: %w", assay.ErrInvalid)
		}
		if strings.TrimSpace(*in.Retired) == "" {
			return fmt.Errorf("retired: say why: %w", assay.ErrInvalid)
		}
		d.Questions = slices.Delete(d.Questions, at, at+1)
		s.Retired = append(s.Retired, Retired{q, strings.TrimSpace(*in.Retired)})
		s.dropSteps(id)
		return nil
	}
	// A question may come back, as it was or changed.
	s.Retired = slices.DeleteFunc(s.Retired, func(r Retired) bool { return r.Question.ID == id })
	if at < 0 {
		at = len(d.Questions)
		d.Questions = append(d.Questions, q)
	} else {
		d.Questions[at] = q
	}
	if twin != "" {
		d.Questions = slices.Insert(d.Questions, at+1, twinOf(q, twin))
	}
	return nil
}

// over returns q and its twin's text with what the file gives.
func (in questionFile) over(q assay.Question, twin string) (assay.Question, string) {
	text := func(into *string, from *string) {
		if from != nil {
			*into = strings.TrimSpace(*from)
		}
	}
	good, scope := string(q.Good), q.Scope
	text(&q.Text, in.Text)
	text(&good, in.Good)
	text(&q.Kind, in.Kind)
	text(&scope, in.Scope)
	text(&twin, in.Twin)
	if scope == "" {
		scope = "image"
	}
	q.Good, q.Scope = assay.Polarity(good), scope
	if in.Needs != nil {
		q.Needs = nil
		for _, need := range *in.Needs {
			if !strings.Contains(need, ".") {
				need = q.Dimension + "." + need
			}
			q.Needs = append(q.Needs, need)
		}
	}
	return q, twin
}

// twinOf returns the question that negates q.
func twinOf(q assay.Question, text string) assay.Question {
	t := q
	t.ID, t.TwinOf, t.Text, t.Needs = q.ID+twinSuffix, q.ID, text, slices.Clone(q.Needs)
	switch q.Good {
	case assay.YesIsGood:
		t.Good = assay.NoIsGood
	case assay.NoIsGood:
		t.Good = assay.YesIsGood
	}
	t.Version = VersionOf(t)
	return t
}

// mergeLadders adds the file's ladders, or replaces those of the same name. One
// without steps is taken away.
func (s *Set) mergeLadders(in []ladderFile) {
	for _, l := range in {
		next := Ladder{l.Name, l.Steps}
		at := slices.IndexFunc(s.Ladders, func(l Ladder) bool { return l.Name == next.Name })
		switch {
		case at < 0:
			s.Ladders = append(s.Ladders, next)
		case len(l.Steps) == 0:
			s.Ladders = slices.Delete(s.Ladders, at, at+1)
		default:
			s.Ladders[at] = next
		}
	}
}

// dropSteps takes a question off the ladders. A ladder of one step is none.
func (s *Set) dropSteps(id string) {
	for i := range s.Ladders {
		s.Ladders[i].Steps = slices.DeleteFunc(s.Ladders[i].Steps, func(step string) bool { return step == id })
	}
	s.Ladders = slices.DeleteFunc(s.Ladders, func(l Ladder) bool { return len(l.Steps) < 2 })
}

// PickSet returns the set that "name" or "name@version" names; without a version,
// the newest. The error lists what there is and wraps [assay.ErrNotFound].
func PickSet(sets []*Set, id string) (*Set, error) {
	name, version, exact := strings.Cut(id, "@")
	var best *Set
	var have []string
	for _, s := range sets {
		have = append(have, s.ID())
		if s.Name == name && (!exact || strconv.Itoa(s.Version) == version) && (best == nil || s.Version > best.Version) {
			best = s
		}
	}
	if best == nil {
		return nil, fmt.Errorf("no question set %q (there are %s): %w", id, strings.Join(have, ", "), assay.ErrNotFound)
	}
	return best, nil
}

// ReadSets reads the sets of a folder, its files *.yaml and *.yml, and returns
// them after those of this build. A set may be forked from another of the folder.
// Two of one name and version are an error that wraps [assay.ErrConflict]; other
// errors are [ParseSet]'s and the folder's own. A folder that does not exist has
// no sets.
func ReadSets(folder fs.FS) ([]*Set, error) {
	sets := builtinSets()
	entries, err := fs.ReadDir(folder, ".")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	texts := map[string][]byte{}
	var left []string
	for _, e := range entries {
		ext := path.Ext(e.Name())
		if e.IsDir() || ext != ".yaml" && ext != ".yml" || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if texts[e.Name()], err = fs.ReadFile(folder, e.Name()); err != nil {
			return nil, err
		}
		left = append(left, e.Name())
	}
	files := map[string]string{}
	// Each pass reads what can be read by now. A pass that reads nothing leaves
	// files that fork what is not there, or each other.
	for len(left) > 0 {
		var later []string
		var why error
		for _, file := range left {
			s, err := parseSet(file, texts[file], sets)
			if errors.Is(err, assay.ErrNotFound) {
				later, why = append(later, file), errors.Join(why, err)
				continue
			}
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(sets, func(o *Set) bool { return o.ID() == s.ID() }) {
				return nil, fmt.Errorf("%s: question set %s is there already%s: raise its version or give it another name: %w",
					file, s.ID(), files[s.ID()], assay.ErrConflict)
			}
			files[s.ID()] = ", in " + file
			sets = append(sets, s)
		}
		if len(later) == len(left) {
			return nil, why
		}
		left = later
	}
	return sets, nil
}
