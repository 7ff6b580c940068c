package rank

import (
	"fmt"
	"math"
	"time"

	"github.com/gen-emerge/assay"
)

// BarID is the name of the virtual item that "both bad" loses to. It anchors
// the scale: what is above it is good enough.
const BarID = "bar"

// A Ballot is one judgment as people and files write it, by the items' names.
type Ballot struct {
	Left, Right string        // in the order shown; never the same
	Outcome     assay.Outcome // any of the five of package assay
	Weight      float64       // multiplies the log-likelihood; 0 means 1
	Rater       string        // who judged; empty if unknown
	Round       string        // the sitting it was part of; empty if unknown

	// What follows is read by [EstimateJoint] alone.

	Grade      int       // −2 (left much better) … +2 (right much better); 0 if not graded
	Confidence float64   // how sure the rater was, against others: multiplies the weight; 0 if not told
	Time       time.Time // when it was given; zero if unknown
}

// A Table numbers the items and clusters of ballots and resolves each ballot
// into votes. The zero Table is empty and ready to use.
//
// Left, right and tie are one vote. "Both bad" is a tie of the two and a loss
// of each against the item [BarID], which exists only if something needs it. A
// skip is counted and gives no vote and no item. Votes of one rater in one
// round form a cluster; the votes of a ballot that names neither form a cluster
// of their own.
type Table struct {
	ids      []string
	index    map[string]int
	clusters map[cluster]int
	last     int // highest cluster number in use
	votes    []Vote
	more     []more // beside votes
	raters   []string
	raterNo  map[string]int
	skipped  int
}

// more is what a vote has for the joint model.
type more struct {
	rater int // −1 if unknown
	grade int
	conf  float64 // 0 if not told
	at    time.Time
}

type cluster struct{ rater, round string }

// NewTable adds the ballots to an empty table. The error of the first that
// cannot be added names its position.
func NewTable(ballots []Ballot) (*Table, error) {
	t := &Table{}
	for k, b := range ballots {
		if err := t.Add(b); err != nil {
			return nil, fmt.Errorf("ballot %d: %w", k+1, err)
		}
	}
	return t, nil
}

// Add appends one ballot. An outcome or weight that means nothing, a missing
// name or an item compared with itself is an error wrapping
// [assay.ErrInvalid], and nothing is added.
func (t *Table) Add(b Ballot) error {
	if b.Left == "" || b.Right == "" || b.Left == b.Right {
		return fmt.Errorf("rank: ballot of %q against %q: want two different names: %w", b.Left, b.Right, assay.ErrInvalid)
	}
	switch b.Outcome {
	case assay.Skip:
		t.skipped++
		return nil
	case assay.Left, assay.Right, assay.Tie, assay.BothBad:
	default:
		return fmt.Errorf("rank: ballot of %q against %q has outcome %q: want left, right, tie, both_bad or skip: %w",
			b.Left, b.Right, b.Outcome, assay.ErrInvalid)
	}
	if b.Outcome == assay.BothBad && (b.Left == BarID || b.Right == BarID) {
		return fmt.Errorf("rank: ballot of %q against %q cannot be both bad: the bar is no image: %w", b.Left, b.Right, assay.ErrInvalid)
	}
	if err := checkGrade(b); err != nil {
		return err
	}
	v := Vote{Outcome: b.Outcome, Weight: b.Weight, Unordered: b.Left == BarID || b.Right == BarID}
	probe := Vote{Left: 0, Right: 1, Outcome: assay.Tie, Weight: b.Weight}
	if err := checkVote(len(t.votes), 2, &probe); err != nil {
		return err
	}
	v.Cluster = t.cluster(b.Rater, b.Round, b.Outcome == assay.BothBad)
	v.Left, v.Right = t.Intern(b.Left), t.Intern(b.Right)
	also := more{t.rater(b.Rater), b.Grade, b.Confidence, b.Time}
	if b.Outcome != assay.BothBad {
		t.votes, t.more = append(t.votes, v), append(t.more, also)
		return nil
	}
	v.Outcome = assay.Tie
	bar := t.Intern(BarID)
	lost := Vote{Left: bar, Outcome: assay.Left, Weight: b.Weight, Cluster: v.Cluster, Unordered: true}
	left, right := lost, lost
	left.Right, right.Right = v.Left, v.Right
	t.votes, t.more = append(t.votes, v, left, right), append(t.more, also, also, also)
	return nil
}

// checkGrade refuses a grade that contradicts the outcome, and a confidence that
// is no weight.
func checkGrade(b Ballot) error {
	fits := b.Grade == 0 ||
		b.Outcome == assay.Left && b.Grade >= -2 && b.Grade < 0 ||
		b.Outcome == assay.Right && b.Grade > 0 && b.Grade <= 2
	if !fits {
		return fmt.Errorf("rank: ballot of %q against %q has outcome %q with grade %d: want -2 or -1 for left, 1 or 2 for right, else 0: %w",
			b.Left, b.Right, b.Outcome, b.Grade, assay.ErrInvalid)
	}
	if !(b.Confidence >= 0 && b.Confidence <= maxWeight) {
		return fmt.Errorf("rank: ballot of %q against %q has confidence %g: want a number above 0, or 0 if it is not told: %w",
			b.Left, b.Right, b.Confidence, assay.ErrInvalid)
	}
	return nil
}

// rater returns the number of a rater, −1 of nobody.
func (t *Table) rater(name string) int {
	if name == "" {
		return -1
	}
	if t.raterNo == nil {
		t.raterNo = map[string]int{}
	}
	r, ok := t.raterNo[name]
	if !ok {
		r = len(t.raters)
		t.raterNo[name] = r
		t.raters = append(t.raters, name)
	}
	return r
}

// InternRater returns the number of the rater with this name, adding it if it is
// new; −1 of an empty name.
func (t *Table) InternRater(name string) int { return t.rater(name) }

// Raters returns the names of the raters by number. The slice is the table's own.
func (t *Table) Raters() []string { return t.raters }

// JointVotes returns the votes in the order of the ballots with all that
// [EstimateJoint] makes use of. Confidences are divided by their mean, so that
// they say which votes weigh more than others and not how many there are; a vote
// without one counts as the mean.
func (t *Table) JointVotes() []JointVote {
	var sum float64
	told := 0
	for _, m := range t.more {
		if m.conf > 0 {
			sum, told = sum+m.conf, told+1
		}
	}
	out := make([]JointVote, len(t.votes))
	for k, v := range t.votes {
		m := t.more[k]
		if m.conf > 0 {
			v.Weight = math.Min(v.weight()*m.conf*float64(told)/sum, maxWeight)
		}
		out[k] = JointVote{Vote: v, Rater: m.rater, Grade: m.grade, Time: m.at}
	}
	return out
}

// AddAboveBar appends a vote for the item against the bar: what a mark of
// "interesting" means. Errors are those of [Table.Add].
func (t *Table) AddAboveBar(id string, weight float64, rater, round string) error {
	return t.Add(Ballot{Left: id, Right: BarID, Outcome: assay.Left, Weight: weight, Rater: rater, Round: round})
}

// cluster numbers the rater's round. A ballot that names neither stands alone:
// 0, or a number of its own if it makes several votes.
func (t *Table) cluster(rater, round string, several bool) int {
	if rater == "" && round == "" {
		if !several {
			return 0
		}
		t.last++
		return t.last
	}
	if t.clusters == nil {
		t.clusters = map[cluster]int{}
	}
	key := cluster{rater, round}
	id, ok := t.clusters[key]
	if !ok {
		t.last++
		id = t.last
		t.clusters[key] = id
	}
	return id
}

// Intern returns the number of the item with this name, adding it if it is new:
// for items that are to be ranked though nobody compared them yet.
func (t *Table) Intern(id string) int {
	if t.index == nil {
		t.index = map[string]int{}
	}
	i, ok := t.index[id]
	if !ok {
		i = len(t.ids)
		t.index[id] = i
		t.ids = append(t.ids, id)
	}
	return i
}

// Item returns the number of the item with this name, or false.
func (t *Table) Item(id string) (int, bool) {
	i, ok := t.index[id]
	return i, ok
}

// IDs returns the names of the items by number. The slice is the table's own.
func (t *Table) IDs() []string { return t.ids }

// Votes returns the votes in the order of the ballots. The slice is the
// table's own.
func (t *Table) Votes() []Vote { return t.votes }

// Skipped returns the number of ballots that were skips.
func (t *Table) Skipped() int { return t.skipped }
