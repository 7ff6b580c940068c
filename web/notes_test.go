package web

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/gen-emerge/assay"
)

// FuzzNotes: whatever judges and examinations left, pages read it or say that they
// cannot, and no region leaves its picture.
func FuzzNotes(f *testing.F) {
	for _, seed := range []string{
		`{"text":"Waves.","claims":[{"dropped":"x"}]}`, `{"weaknesses":[{"text":"a","box":[0,0.1,0.5,1]},{"box":[0.5,0,0.5,1]},{"box":[0.5,0.5,1.2,0.9]},{"box":[0.5,0.5,0.9,7]},{"box":[-1,0,1,1]},{"box":[0,-1,1,1]},{"box":null}],"dropped":[1]}`,
		`{"trust":{"fit":true},"controls":{"name":"c","rule":"r","verdict":"pass","k":1,"n":2,"share":{"low":-1}},"questions":[{"id":"a","version":"1"}],"left_out":["x"]}`,
		`{"trust":7,"questions":7,"left_out":7,"controls":7}`, `[]`, `null`, ``, `{"a":`, `{"weaknesses":{"box":"x"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		j := assay.Judge{Name: "j", API: "openai"}
		labels := labelsOf([]assay.Judge{j})
		for _, kind := range []string{"summary", "critique"} {
			out, regions := writtenOf([]assay.Note{{Judge: j, Kind: kind, Body: body}}, labels)
			if len(out) != 1 || out[0].Unreadable && len(out[0].Weaknesses) > 0 {
				t.Fatalf("%q: %+v", body, out)
			}
			named := 0
			for _, w := range out[0].Weaknesses {
				if w.Region != "" {
					named++
				}
			}
			if !out[0].Unreadable && named != len(regions) {
				t.Errorf("%q: %d regions, %d named", body, len(regions), named)
			}
			for _, r := range regions {
				if r.X < 0 || r.Y < 0 || !(r.W > 0) || !(r.H > 0) || r.X+r.W > 100.001 || r.Y+r.H > 100.001 || math.IsNaN(r.X+r.Y) {
					t.Errorf("%q: region %+v", body, r)
				}
			}
		}
		tellsTrust(body)
		r := judgeRecord{Judge: j, Trust: &assay.Trust{Unfit: map[string]string{"a@1": "x", "a@b@2": "y", "none": "z"}}}
		r.examined(body)
		if len(r.Unfit) != 3 || r.Unfit[1].ID != "a@b" || r.Unfit[1].Version != "2" || r.Unfit[2].ID != "none" {
			t.Errorf("%q: %+v", body, r.Unfit)
		}
		for _, c := range r.Checks {
			if c.Found() == "" || c.Class() == "" || c.Verdict == "" {
				t.Errorf("%q: %+v %s", body, c, c.Interval())
			}
		}
		if _, err := json.Marshal(r); err != nil {
			t.Errorf("%q: %v", body, err)
		}
	})
}
