package vlm

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"hash"
	"math"

	"github.com/gen-emerge/assay"
)

// defaultMaxTokens is what a request's MaxTokens of 0 means.
const defaultMaxTokens = 256

// Key returns the name of a call: the SHA-256 of all that is asked and of whom.
// The user's name for the judge and its family are not part of it, since they
// change no answer; its wire format, endpoint, model and protocol are. Pictures
// count by their digests. Space in a schema does not count, its order of keys
// does: models are led by it.
func Key(j assay.Judge, r Request) assay.Digest {
	w := keyWriter{sha256.New()}
	w.text("assay call 1") // raised when the form below changes
	w.text(j.API)
	w.text(j.Endpoint)
	w.text(j.Model)
	w.number(uint64(j.Protocol))
	w.text(r.System)
	w.number(uint64(len(r.Parts)))
	for _, p := range r.Parts {
		w.text(p.Text)
		if p.Image == nil {
			w.text("")
			continue
		}
		w.text(cmp.Or(p.Image.MIME, "image"))
		digest := p.Image.Digest
		if digest.IsZero() {
			digest = assay.DigestOf(p.Image.Data)
		}
		w.Write(digest[:])
	}
	var schema bytes.Buffer
	if json.Compact(&schema, r.Schema) != nil { // not JSON: the server will say so
		schema.Reset()
		schema.Write(r.Schema)
	}
	w.text(schema.String())
	w.text(r.SchemaName)
	w.number(uint64(cmp.Or(r.MaxTokens, defaultMaxTokens)))
	if w.flag(r.Temperature != nil) {
		w.number(math.Float64bits(*r.Temperature + 0)) // + 0: −0 is 0
	}
	w.number(uint64(r.TopLogProbs))
	if w.flag(r.Seed != nil) {
		w.number(uint64(*r.Seed))
	}
	w.number(uint64(r.Sample))
	return assay.Digest(w.Sum(nil))
}

// A keyWriter writes fields so that no two lists of fields look alike.
type keyWriter struct{ hash.Hash }

func (w keyWriter) number(n uint64) {
	var b [8]byte
	w.Write(binary.LittleEndian.AppendUint64(b[:0], n))
}

func (w keyWriter) text(s string) {
	w.number(uint64(len(s)))
	w.Write([]byte(s))
}

func (w keyWriter) flag(set bool) bool {
	if set {
		w.Write([]byte{1})
	} else {
		w.Write([]byte{0})
	}
	return set
}
