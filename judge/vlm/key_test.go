package vlm

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/gen-emerge/assay"
)

func TestKey(t *testing.T) {
	zero, negative, half, seed := 0.0, math.Copysign(0, -1), 0.5, int64(0)
	data := []byte("picture")
	picture := &Image{Data: data, MIME: "image/png", Digest: assay.DigestOf(data), Width: 3, Height: 2}
	base := func() (assay.Judge, Request) {
		return someone, Request{System: "s", Parts: []Part{{Image: picture}, {Text: "t"}}, Schema: json.RawMessage(`{"a":1,"b":2}`),
			SchemaName: "n", Temperature: &zero, TopLogProbs: 5}
	}
	j, r := base()
	want := Key(j, r)
	// A key that changes from one version of the program to the next pays for
	// every call again: raise the form's number in Key if it must.
	same(t, "key", want.String(), "11f7ce258825713a9550b9651b9db7c36aa93a728cf2c116c932dc8a380fd302")
	for name, change := range map[string]func(*assay.Judge, *Request){
		"the user's name":      func(j *assay.Judge, _ *Request) { j.Name = "other" },
		"family":               func(j *assay.Judge, _ *Request) { j.Family = "other" },
		"default of MaxTokens": func(_ *assay.Judge, r *Request) { r.MaxTokens = 256 },
		"space in the schema":  func(_ *assay.Judge, r *Request) { r.Schema = json.RawMessage(" {\"a\": 1,\n\"b\": 2}") },
		"negative zero":        func(_ *assay.Judge, r *Request) { r.Temperature = &negative },
		"no digest yet":        func(_ *assay.Judge, r *Request) { r.Parts[0].Image = &Image{Data: data, MIME: "image/png"} },
	} {
		j, r := base()
		change(&j, &r)
		if Key(j, r) != want {
			t.Errorf("%s changes the key", name)
		}
	}
	seen := map[assay.Digest]string{want: "nothing"}
	for name, change := range map[string]func(*assay.Judge, *Request){
		"API":                  func(j *assay.Judge, _ *Request) { j.API = "google" },
		"endpoint":             func(j *assay.Judge, _ *Request) { j.Endpoint = "x" },
		"model":                func(j *assay.Judge, _ *Request) { j.Model = "x" },
		"protocol":             func(j *assay.Judge, _ *Request) { j.Protocol++ },
		"system":               func(_ *assay.Judge, r *Request) { r.System = "" },
		"system into text":     func(_ *assay.Judge, r *Request) { r.System, r.Parts = "", []Part{{Text: "s"}, r.Parts[0], r.Parts[1]} },
		"text":                 func(_ *assay.Judge, r *Request) { r.Parts[1].Text = "u" },
		"order":                func(_ *assay.Judge, r *Request) { r.Parts[0], r.Parts[1] = r.Parts[1], r.Parts[0] },
		"one part more":        func(_ *assay.Judge, r *Request) { r.Parts = append(r.Parts, Part{}) },
		"picture":              func(_ *assay.Judge, r *Request) { r.Parts[0].Image = &Image{Data: []byte("other"), MIME: "image/png"} },
		"encoding":             func(_ *assay.Judge, r *Request) { r.Parts[0].Image = &Image{Data: data, MIME: "image/jpeg"} },
		"schema":               func(_ *assay.Judge, r *Request) { r.Schema = nil },
		"order of schema keys": func(_ *assay.Judge, r *Request) { r.Schema = json.RawMessage(`{"b":2,"a":1}`) },
		"schema not JSON":      func(_ *assay.Judge, r *Request) { r.Schema = json.RawMessage(`{`) },
		"schema's name":        func(_ *assay.Judge, r *Request) { r.SchemaName = "m" },
		"MaxTokens":            func(_ *assay.Judge, r *Request) { r.MaxTokens = 1 },
		"no temperature":       func(_ *assay.Judge, r *Request) { r.Temperature = nil },
		"temperature":          func(_ *assay.Judge, r *Request) { r.Temperature = &half },
		"TopLogProbs":          func(_ *assay.Judge, r *Request) { r.TopLogProbs = 4 },
		"seed":                 func(_ *assay.Judge, r *Request) { r.Seed = &seed },
		"sample":               func(_ *assay.Judge, r *Request) { r.Sample = 1 },
	} {
		j, r := base()
		change(&j, &r)
		if other, ok := seen[Key(j, r)]; ok {
			t.Errorf("%s gives the key that %s gives", name, other)
		}
		seen[Key(j, r)] = name
	}
}
