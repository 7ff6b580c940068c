package series_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/series"
)

// When images of another kind come in, an enforced gate is to be suspended; once
// they are all alike again it comes back by way of shadow.
func TestGeneratorDrift(t *testing.T) {
	db := openStore(t)
	s := openSeries(t, db, series.Options{})
	ctx := t.Context()
	id := assay.Identity{Instrument: "layout", Version: 1, Preparation: "test", Runtime: "go"}
	if _, err := db.PutThreshold(ctx, assay.Threshold{Series: "test", Gate: "diversity", Identity: id, Value: 0.1, Fails: "below",
		Mode: assay.Enforced, Source: "controls", Reason: "test"}); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(6, 6))
	n := 0
	come := func(images int, mean float64) {
		t.Helper()
		for range images {
			data := fmt.Appendf(nil, "image %d", n)
			img := assay.Image{ID: assay.DigestOf(data), Bytes: int64(len(data)), Format: "png", Width: 1, Height: 1, Mode: "RGB"}
			e, _, err := db.Enter(ctx, img, data, assay.Entry{Series: "test"})
			if err != nil {
				t.Fatal(err)
			}
			v := make([]float32, 8)
			for c := range v {
				v[c] = float32(mean + rng.NormFloat64())
			}
			err = db.Record(ctx, assay.Measurement{Series: "test", Seq: e.Seq, Embeddings: []assay.Embedding{{Identity: id, Image: img.ID, Vector: v}}})
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	propose := func() series.Proposal {
		t.Helper()
		all, err := s.Proposals(ctx, series.ProposeOptions{})
		if err != nil || len(all) != 1 {
			t.Fatalf("%+v, %v", all, err)
		}
		return all[0]
	}
	come(85, 0) // more than two blocks: the oldest do not count
	if p := propose(); p.Proposed != nil {
		t.Errorf("nothing has moved: %+v", p)
	}
	come(40, 3)
	p := propose()
	if p.Proposed == nil || p.Proposed.Mode != assay.Suspended || !p.Automatic || !strings.Contains(p.Reason, "not like the 40 before") {
		t.Fatalf("other images came in: %+v", p)
	}
	table, err := s.TrustTable(ctx, "me")
	if err != nil || !strings.Contains(table.Verdict, "The generator moved") {
		t.Errorf("%q, %v", table.Verdict, err)
	}
	if _, err := s.Apply(ctx, p); err != nil {
		t.Fatal(err)
	}
	if p := propose(); p.Proposed != nil {
		t.Errorf("suspended, and still moving: %+v", p)
	}
	come(40, 3)
	if p := propose(); p.Proposed == nil || p.Proposed.Mode != assay.Shadow || p.Proposed.Value != 0.1 {
		t.Errorf("alike again: %+v", p)
	}
}
