package web

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/series"
)

// A judgedView is what judges said of an image, in the order of the page.
type judgedView struct {
	Judges       []judgeView
	Dimensions   []dimensionView
	Compared     []comparedView
	ComparedMore int
	Written      []writtenView
	Regions      []regionView // of the weaknesses that have a box
}

// comparedShown is how many comparisons a profile lists; the JSON has all.
const comparedShown = 12

// A judgeView is one model, and what it may decide.
type judgeView struct {
	assay.Judge
	standing
	Label  string // its name, with more where two judges share it
	Anchor string // of its part of the page of judges
}

// A standing is what a judge may decide, for people.
type standing struct {
	Class    string // style class of the badge
	Word     string // on the badge
	Sentence string // without its full stop
	Reasons  []string
}

// standingOf says what a trust allows; t is nil if the judge was not examined.
// The rule is that of package series: answers of a fit judge count, and its
// comparisons do if it is known to be better than a coin.
func standingOf(t *assay.Trust) standing {
	switch {
	case t == nil:
		return standing{"abstain", "under test", "Not examined in this series, and so it decides nothing yet; `assay judge audit` examines it", nil}
	case !t.Fit:
		return standing{"fail", "decides nothing", "It failed its examination", t.Reasons}
	case !comparisonsCount(t) && t.Accuracy > 0:
		return standing{"pass", "answers count", fmt.Sprintf("Its comparisons decide nothing: right in %s of pairs, no better than a coin", pct(t.Accuracy)), t.Reasons}
	case !comparisonsCount(t):
		return standing{"pass", "answers count", "Its comparisons decide nothing: how often it decides as you would is not known", t.Reasons}
	case t.Source == "controls":
		return standing{"pass", "may decide", fmt.Sprintf("Right in %s of %s whose better side is known (95 %% interval %s to %s); that is not your taste, so it weighs no more than one click of a person",
			pct(t.Accuracy), counted(t.Pairs, "pair", "pairs"), pct(t.Low), pct(t.High)), t.Reasons}
	}
	return standing{"pass", "may decide", fmt.Sprintf("Decides as people did in %s of %s (95 %% interval %s to %s)",
		pct(t.Accuracy), counted(t.Pairs, "pair", "pairs"), pct(t.Low), pct(t.High)), t.Reasons}
}

func comparisonsCount(t *assay.Trust) bool { return t != nil && t.Fit && t.Accuracy > 0.5 }

func trustIn(trusts []assay.Trust, j assay.Judge) *assay.Trust {
	if i := slices.IndexFunc(trusts, func(t assay.Trust) bool { return t.Judge == j }); i >= 0 {
		return &trusts[i]
	}
	return nil
}

// labelsOf names judges so that no two have the same name.
func labelsOf(judges []assay.Judge) map[assay.Judge]string {
	labels := map[assay.Judge]string{}
	for _, j := range judges {
		label := j.Name
		if slices.ContainsFunc(judges, func(o assay.Judge) bool { return o != j && o.Name == j.Name }) {
			label = fmt.Sprintf("%s (%s, protocol %d)", j.Name, j.Model, j.Protocol)
		}
		labels[j] = label
	}
	return labels
}

// anchorOf makes a fragment of what may hold any characters.
func anchorOf(kind string, v any) string {
	text, _ := json.Marshal(v) // judges and strings always marshal
	sum := sha256.Sum256(text)
	return kind + "-" + hex.EncodeToString(sum[:6])
}

// judged puts what judges said into the order of the page. The rater is the
// person at the page, open the dimension whose questions are shown at once.
func judged(p *series.Profile, rater, open string) judgedView {
	judges := judgesOf(p)
	labels := labelsOf(judges)
	var v judgedView
	for _, j := range judges {
		v.Judges = append(v.Judges, judgeView{Judge: j, standing: standingOf(trustIn(p.Trusts, j)), Label: labels[j], Anchor: anchorOf("judge", j)})
	}
	v.Dimensions = dimensionsOf(p, labels, rater)
	for i := range v.Dimensions {
		v.Dimensions[i].Open = v.Dimensions[i].Name == open && open != ""
	}
	for _, c := range slices.Backward(p.Comparisons) {
		if len(v.Compared) == comparedShown {
			v.ComparedMore = len(p.Comparisons) - comparedShown
			break
		}
		v.Compared = append(v.Compared, comparedOf(c, p.Entry.Image, labels))
	}
	v.Written, v.Regions = writtenOf(p.Notes, labels)
	return v
}

// judgesOf lists the models that said anything, in the order in which they did.
func judgesOf(p *series.Profile) []assay.Judge {
	var out []assay.Judge
	add := func(j assay.Judge) {
		if !j.IsPerson() && !slices.Contains(out, j) {
			out = append(out, j)
		}
	}
	for _, a := range p.Answers {
		add(a.Judge)
	}
	for _, c := range p.Comparisons {
		add(c.Judge)
	}
	for _, n := range p.Notes {
		if slices.Contains(written, n.Kind) {
			add(n.Judge)
		}
	}
	return out
}

// A comparedView says a comparison from the side of one image.
type comparedView struct {
	series.Weighed
	Label  string // of the judge
	Other  assay.Digest
	P      float64 // of this image being better; meaningless if the judge abstained
	Known  bool    // it did not
	Said   string
	Class  string
	Word   string // what it did, on the badge
	Asked  string // why the pair was compared; empty if unknown
	Reason string // why it counts, or not
}

func comparedOf(c series.Weighed, id assay.Digest, labels map[assay.Judge]string) comparedView {
	v := comparedView{Weighed: c, Label: labels[c.Judge], Other: c.B, Asked: c.Reason, Reason: c.Why, P: c.P, Known: true}
	if id == c.B {
		v.Other, v.P = c.A, 1-c.P
	}
	switch {
	case c.Outcome == assay.Left && id == c.A, c.Outcome == assay.Right && id == c.B:
		v.Said = "better than"
	case c.Outcome == assay.Left, c.Outcome == assay.Right:
		v.Said = "not as good as"
	case c.Outcome == assay.Tie:
		v.Said = "no better or worse than"
	default:
		v.Said, v.Known, v.Asked = "not compared with", false, "" // why it abstained stands in Why
	}
	switch {
	case c.Decided:
		v.Class, v.Word = "pass", "decided the cell"
	case c.Counts && c.Outcome == assay.Tie:
		v.Class, v.Word = "plain", "counts, for neither"
	case c.Counts:
		v.Class, v.Word = "plain", "counts"
	default:
		v.Class, v.Word = "abstain", "decides nothing"
	}
	v.Reason = cmp.Or(v.Reason, "no reason is known")
	return v
}
