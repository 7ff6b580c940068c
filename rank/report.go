package rank

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/gen-emerge/assay"
)

// A Number is a float64 that JSON can carry: what is not finite is null, and
// null reads as NaN.
type Number float64

// MarshalJSON writes n, or null if it is not finite.
func (n Number) MarshalJSON() ([]byte, error) {
	if v := float64(n); math.IsNaN(v) || math.IsInf(v, 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// UnmarshalJSON reads what [Number.MarshalJSON] writes.
func (n *Number) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*n = Number(math.NaN())
		return nil
	}
	return json.Unmarshal(data, (*float64)(n))
}

// A Report is a [Fit] in the form that is printed and sent. Strengths and
// errors are in log-odds; null is a number that the data do not give.
type Report struct {
	Items      []Item         `json:"items"`    // components in order, strongest first within each
	Warnings   []string       `json:"warnings"` // never null
	Prior      float64        `json:"prior"`    // inverse variance of the prior; 0 for maximum likelihood
	Tie        *ReportedParam `json:"tie,omitempty"`
	Side       *ReportedParam `json:"side,omitempty"`
	LogLik     Number         `json:"loglik"`
	Components int            `json:"components"`
	Clusters   int            `json:"clusters"`
	Local      bool           `json:"local,omitempty"` // standard errors are local approximations and come out low
	Reference  []string       `json:"reference,omitempty"`
}

// An Item is one row of a [Report].
type Item struct {
	ID        string  `json:"id"`
	Strength  Number  `json:"strength"`
	SE        Number  `json:"se"`       // Laplace
	Sandwich  Number  `json:"sandwich"` // cluster-robust
	Component int     `json:"component"`
	Games     int     `json:"games"`
	Won       float64 `json:"won"` // summed weights, as are lost and tied
	Lost      float64 `json:"lost"`
	Tied      float64 `json:"tied"`

	// Of the joint model alone: the 95 % interval of its place, 1 being best, and
	// the probability that it is the best. The bar has no place.
	RankLo int      `json:"rank_lo,omitempty"`
	RankHi int      `json:"rank_hi,omitempty"`
	Best   *float64 `json:"p_best,omitempty"`
}

// A ReportedParam is a [Parameter] in a [Report].
type ReportedParam struct {
	Value Number `json:"value"`
	SE    Number `json:"se"`
}

// Report names the items of f. There must be one id for each item, or the error
// wraps [assay.ErrInvalid].
func (f *Fit) Report(ids []string) (*Report, error) {
	if len(ids) != len(f.Strength) {
		return nil, fmt.Errorf("rank: %d names for %d items: %w", len(ids), len(f.Strength), assay.ErrInvalid)
	}
	r := &Report{
		Items: make([]Item, len(ids)), Warnings: []string{}, Prior: f.Prior, LogLik: Number(f.LogLik),
		Components: len(f.Components), Clusters: f.Clusters, Local: f.Local,
		Tie: f.Tie.report(), Side: f.Side.report(),
	}
	for i, id := range ids {
		t := f.Tally[i]
		r.Items[i] = Item{ID: id, Strength: Number(f.Strength[i]), SE: Number(f.StdErr[i]), Sandwich: Number(f.Sandwich[i]), Component: f.Component[i],
			Games: t.Votes, Won: t.Won, Lost: t.Lost, Tied: t.Tied}
	}
	for _, i := range f.Reference {
		r.Reference = append(r.Reference, ids[i])
	}
	for _, w := range f.Warnings {
		var none *NoEstimateError
		if errors.As(w, &none) {
			r.Warnings = append(r.Warnings, none.Named(fmt.Sprintf("%q", ids[none.Item])))
			continue
		}
		r.Warnings = append(r.Warnings, w.Error())
	}
	apart := f.Prior == 0 // strengths of different components must not be mixed
	slices.SortStableFunc(r.Items, func(a, b Item) int {
		if apart && a.Component != b.Component {
			return cmp.Compare(a.Component, b.Component)
		}
		// NaN sorts below every number.
		return cmp.Or(cmp.Compare(b.Strength, a.Strength), cmp.Compare(a.ID, b.ID))
	})
	return r, nil
}

func (p *Parameter) report() *ReportedParam {
	if p == nil {
		return nil
	}
	return &ReportedParam{Number(p.Value), Number(p.StdErr)}
}
