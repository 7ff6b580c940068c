package series

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/gen-emerge/assay/stat"
)

// tell writes the plain sentence.
func (d *Diagnosis) tell(j stat.Judgement) {
	if d.Needed > 0 {
		d.Sentence = fmt.Sprintf("%s: too few to compare the last with the first; %s needed.", counted(d.Images, "image", "images"), counted(d.Needed, "more is", "more are"))
		d.Alarm = fmt.Sprintf("No alarm can be raised before there are %d images.", d.Watch.Next)
		return
	}
	ends := fmt.Sprintf("The last %d images are %%s the first %d", d.Window, d.Window)
	p := fmt.Sprintf("p = %s", probability(j.Spread.P))
	c := d.Closer
	switch {
	case c.First.Mean == 0 && c.Last.Mean == 0:
		d.Sentence = fmt.Sprintf("The first %d and the last %d images are all the same.", d.Window, d.Window)
	case c.First.Mean == 0:
		d.Sentence = fmt.Sprintf(ends, "not all the same, unlike") + ": no sign of convergence."
	case c.Times == nil:
		d.Sentence = fmt.Sprintf(ends, "all the same, unlike") + " (" + p + ")."
	case c.Interval == nil:
		d.Sentence = fmt.Sprintf(ends, times(*c.Times)+" to each other than") + " (" + p + ")."
	case c.Interval.Lo <= 1 && c.Interval.Hi >= 1:
		d.Sentence = fmt.Sprintf(ends, "about as far from each other as") + fmt.Sprintf(": %s times as close (95 %% interval %s to %s; %s).", three(*c.Times), three(c.Interval.Lo), three(c.Interval.Hi), p)
	case *c.Times >= 1:
		d.Sentence = fmt.Sprintf(ends, times(*c.Times)+" to each other than") + fmt.Sprintf(" (95 %% interval %s to %s; %s).", three(c.Interval.Lo), three(c.Interval.Hi), p)
	default:
		d.Sentence = fmt.Sprintf(ends, times(*c.Times)+" than") + fmt.Sprintf(" (95 %% interval %s to %s): no sign of convergence.", three(1/c.Interval.Hi), three(1/c.Interval.Lo))
	}
}

// times says how much closer, or farther apart.
func times(x float64) string {
	if x >= 1 {
		return three(x) + " times closer"
	}
	return three(1/x) + " times farther apart"
}

// tellAlarm says whether the looks raised one, and how far that can be trusted.
func (d *Diagnosis) tellAlarm() {
	w := d.Watch
	rate := fmt.Sprintf("A series that does not converge raises an alarm with a chance of at most %s in all its life: over all tests, and however often somebody looks.", percent(w.Alpha))
	if w.Raised == nil {
		if w.Latest == nil {
			d.Alarm = fmt.Sprintf("No alarm can be raised before there are %d images. %s", w.Next, rate)
			return
		}
		d.Alarm = fmt.Sprintf("No alarm so far: it is decided after %s images, next after %d. %s", listed(w.Looks), w.Next, rate)
		return
	}
	var parts []string
	for _, t := range w.Raised.Tests {
		if slices.Contains(w.Raised.Alarms, t.Name) {
			parts = append(parts, fmt.Sprintf("%s (%s, p = %s)", found(t.Name), t.Name, probability(t.Adjusted)))
		}
	}
	d.Alarm = fmt.Sprintf("Alarm after %d images: %s; look %d may spend %s of the error rate.", w.Raised.Images, strings.Join(parts, ", "), w.Raised.Number, probability(w.Raised.Alpha))
	switch {
	case w.Latest.Images == w.Raised.Images:
	case len(w.Latest.Alarms) > 0:
		d.Alarm += fmt.Sprintf(" After %d images there still is one: %s.", w.Latest.Images, strings.Join(w.Latest.Alarms, ", "))
	default:
		d.Alarm += fmt.Sprintf(" After %d images no test alone would raise it.", w.Latest.Images)
	}
	d.Alarm += " " + rate
}

// found says what a test's alarm means.
func found(name string) string {
	switch name {
	case stat.Closer:
		return "the last images lie closer to each other than the first"
	case stat.Nearer:
		return "new images come ever nearer to those just before"
	}
	return "the last images spread less over the map than the first"
}

// what is what the tests move: images, or batches of them.
func (d *Diagnosis) what() string {
	if d.Batch > 1 {
		return fmt.Sprintf("batches of %d images", d.Batch)
	}
	return "images"
}

// tellAssumption notes what the tests assume.
func (d *Diagnosis) tellAssumption() {
	d.Notes = append(d.Notes, fmt.Sprintf("the p-values say how often %s in random order do as much; they assume that, if nothing changes with time, %s could have come in any order", d.what(), d.what()))
}

// tellSerial notes whether that holds, as far as can be seen.
func (d *Diagnosis) tellSerial(s stat.Serial, alpha float64) {
	what := d.what()
	if s.P > alpha {
		d.Notes = append(d.Notes, fmt.Sprintf("%s that came one after the other are not clearly closer than others of the same stretch (p = %s)", what, probability(s.P)))
		return
	}
	much := "the same"
	if x := finite(s.Closer); x != nil {
		much = three(*x) + " times closer than others of the same stretch"
	}
	d.Notes = append(d.Notes, fmt.Sprintf("%s that came one after the other are %s (p = %s): either the series changed at once, or they belong together, and then the p-values are too small and alarms more frequent than stated; --batch N moves N images in a row together",
		what, much, probability(s.P)))
}

// testFindings says what each test of a look asked and found.
func testFindings(j stat.Judgement) []TestFinding {
	var out []TestFinding
	for _, t := range j.Tests {
		f := TestFinding{Name: t.Name, P: t.P, Adjusted: t.Adjusted, Least: t.Least, Draws: t.Draws}
		switch t.Name {
		case stat.Closer:
			f.Question = fmt.Sprintf("are the last %d images closer to each other than the first %d", j.Window, j.Window)
			f.Value = fmt.Sprintf("mean distance %s, then %s", three(j.Spread.First.Mean), three(j.Spread.Last.Mean))
		case stat.Nearer:
			f.Question = fmt.Sprintf("does each image come ever nearer to one of the %d before it", j.Near.Lookback)
			f.Value = "Kendall’s tau with time " + three(j.Near.Tau)
		case stat.FewerCells:
			f.Question = fmt.Sprintf("do the last %d images spread less over the map than the first %d", j.Window, j.Window)
			f.Value = fmt.Sprintf("entropy %s nats in %s, then %s in %d", three(j.Held.First), counted(j.Held.FirstCells, "cell", "cells"), three(j.Held.Last), j.Held.LastCells)
		}
		out = append(out, f)
	}
	return out
}

// three writes a number with three significant digits.
func three(x float64) string {
	s := strconv.FormatFloat(x, 'g', 3, 64)
	if math.Abs(x) >= 1 && math.Abs(x) < 100 {
		s = strconv.FormatFloat(x, 'f', 2, 64)
	}
	return strings.Replace(s, "-", "−", 1)
}

// probability writes a p-value.
func probability(p float64) string {
	if p >= 0.001 {
		return strconv.FormatFloat(p, 'g', 2, 64)
	}
	return strconv.FormatFloat(p, 'g', 1, 64)
}

func percent(p float64) string { return strconv.FormatFloat(100*p, 'g', 3, 64) + " %" }

// counted writes a number with its noun.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

func isOrAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// listed writes numbers as people list them, at most six: the last.
func listed(numbers []int) string {
	var parts []string
	for _, n := range numbers {
		parts = append(parts, strconv.Itoa(n))
	}
	if more := len(parts) - 6; more > 0 {
		parts = append([]string{"…"}, parts[more:]...)
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return strings.Join(parts[:len(parts)-1], ", ") + " and " + parts[len(parts)-1]
}
