package rank

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gen-emerge/assay"
)

func TestTable(t *testing.T) {
	table, err := NewTable([]Ballot{
		{Left: "a", Right: "b", Outcome: assay.Left, Rater: "r", Round: "1"},
		{Left: "c", Right: "d", Outcome: assay.Skip},
		{Left: "b", Right: "c", Outcome: assay.BothBad, Weight: 2},
		{Left: "a", Right: "c", Outcome: assay.Tie, Rater: "r", Round: "1"},
		{Left: "b", Right: "a", Outcome: assay.Right, Rater: "r", Round: "2"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := table.AddAboveBar("a", 0, "r", "2"); err != nil {
		t.Fatal(err)
	}
	if want := []string{"a", "b", "c", "bar"}; !slices.Equal(table.IDs(), want) {
		t.Errorf("ids %q, want %q: a skip adds no item", table.IDs(), want)
	}
	want := []Vote{
		{Left: 0, Right: 1, Outcome: assay.Left, Cluster: 1},
		{Left: 1, Right: 2, Outcome: assay.Tie, Weight: 2, Cluster: 2},
		{Left: 3, Right: 1, Outcome: assay.Left, Weight: 2, Cluster: 2, Unordered: true},
		{Left: 3, Right: 2, Outcome: assay.Left, Weight: 2, Cluster: 2, Unordered: true},
		{Left: 0, Right: 2, Outcome: assay.Tie, Cluster: 1},
		{Left: 1, Right: 0, Outcome: assay.Right, Cluster: 3},
		{Left: 0, Right: 3, Outcome: assay.Left, Cluster: 3, Unordered: true},
	}
	if diff := cmp.Diff(want, table.Votes()); diff != "" {
		t.Errorf("votes (-want +got):\n%s", diff)
	}
	if i, ok := table.Item("bar"); i != 3 || !ok || table.Skipped() != 1 {
		t.Errorf("bar is item %d, %v; %d skipped", i, ok, table.Skipped())
	}
	if _, ok := table.Item("d"); ok {
		t.Error("a skip made an item")
	}
}

func TestTableRefuses(t *testing.T) {
	var table Table
	for _, b := range []Ballot{
		{Left: "a", Right: "a", Outcome: assay.Left}, {Left: "", Right: "a", Outcome: assay.Left},
		{Left: "a", Right: "b", Outcome: "maybe"}, {Left: "a", Right: "b"},
		{Left: "a", Right: "b", Outcome: assay.Left, Weight: -1}, {Left: "a", Right: BarID, Outcome: assay.BothBad},
	} {
		if err := table.Add(b); !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%+v: %v, want an error wrapping ErrInvalid", b, err)
		}
	}
	if len(table.IDs()) != 0 || len(table.Votes()) != 0 {
		t.Errorf("a refused ballot left %v and %v", table.IDs(), table.Votes())
	}
	_, err := NewTable([]Ballot{{Left: "a", Right: "b", Outcome: assay.Tie}, {Left: "a", Right: "a", Outcome: assay.Tie}})
	if err == nil || !strings.HasPrefix(err.Error(), "ballot 2: ") {
		t.Errorf("error %v does not say which ballot", err)
	}
}

// TestBarAnchorsTheScale: what is judged both bad falls below the bar, what is
// marked rises above it.
func TestBarAnchorsTheScale(t *testing.T) {
	var table Table
	for range 5 {
		for _, b := range []Ballot{
			{Left: "poor", Right: "worse", Outcome: assay.BothBad}, {Left: "good", Right: "fine", Outcome: assay.Tie},
			{Left: "good", Right: "poor", Outcome: assay.Left},
		} {
			if err := table.Add(b); err != nil {
				t.Fatal(err)
			}
		}
		if err := table.AddAboveBar("good", 0, "", ""); err != nil {
			t.Fatal(err)
		}
	}
	bar, _ := table.Item(BarID)
	f := fit(t, len(table.IDs()), table.Votes(), Options{Reference: []int{bar}})
	for id, above := range map[string]bool{"good": true, "fine": true, "poor": false, "worse": false} {
		i, _ := table.Item(id)
		if (f.Strength[i] > 0) != above {
			t.Errorf("%s is %g against the bar", id, f.Strength[i])
		}
	}
	// The bar is never on a side, so it does not feed the side effect: here all
	// that was shown side by side is a tie.
	f = fit(t, len(table.IDs()), table.Votes()[:3], Options{Side: true})
	if f.Side == nil || !math.IsNaN(f.Side.Value) {
		t.Errorf("votes against the bar made a side effect: %+v", f.Side)
	}
}

func TestReport(t *testing.T) {
	v := []Vote{
		{Left: 0, Right: 1, Outcome: assay.Left}, {Left: 1, Right: 0, Outcome: assay.Left}, {Left: 1, Right: 0, Outcome: assay.Left},
		{Left: 2, Right: 0, Outcome: assay.Left},
	}
	f := fit(t, 4, v, Options{Prior: NoPrior, Reference: []int{1}})
	r, err := f.Report([]string{"a", "b", "top", "new"})
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Items    []map[string]any `json:"items"`
		Warnings []string         `json:"warnings"`
	}
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, item := range got.Items {
		order = append(order, item["id"].(string))
	}
	if want := []string{"b", "a", "top", "new"}; !slices.Equal(order, want) {
		t.Errorf("order %q, want %q: components apart, strongest first", order, want)
	}
	if got.Items[2]["strength"] != nil || got.Items[2]["se"] != nil {
		t.Errorf("an infinite strength is %v ± %v, want null", got.Items[2]["strength"], got.Items[2]["se"])
	}
	near(t, "strength of a", got.Items[1]["strength"].(float64), -math.Ln2, 1e-8)
	joined := strings.Join(got.Warnings, "\n")
	if !strings.Contains(joined, `"top" won 1, lost 0`) || !strings.Contains(joined, `"new" was never compared`) {
		t.Errorf("warnings %q do not name the items", got.Warnings)
	}
	var back Report
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if !math.IsNaN(float64(back.Items[2].SE)) || back.Items[1].Strength != r.Items[1].Strength {
		t.Errorf("read back %+v", back.Items)
	}
	if _, err := f.Report([]string{"a"}); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("one name for four items: %v", err)
	}
	clean := fit(t, 2, v[:3], Options{})
	cr, err := clean.Report([]string{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	if data, _ := json.Marshal(cr); !strings.Contains(string(data), `"warnings":[]`) {
		t.Errorf("no warnings must be an empty list: %s", data)
	}
}
