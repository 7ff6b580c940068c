// Package rank estimates the strengths of items from comparisons of two at a
// time, with the uncertainty of every number, and chooses what to ask next.
//
// The model is Davidson's (1970) extension of Bradley and Terry's (1952) to
// ties. With d = strength(left) - strength(right), plus the side effect where
// it is asked for, left wins, ties and loses with probabilities in proportion
// to exp(d/2), nu and exp(-d/2). Strengths are natural log-odds: where ties do
// not count, one logit is a preference of 73 %.
//
// The package is pure: it keeps nothing, draws nothing at random except from a
// seed it is given, and gives the same result for the same votes whatever the
// number of processors.
package rank
