package vlm

import (
	"encoding/json"

	"github.com/gen-emerge/assay"
)

// Price stands in for the real one until the branches meet.
type Price struct{ In, Cached, Out float64 }

// Key stands in for the real one until the branches meet.
func Key(j assay.Judge, r Request) assay.Digest {
	text, _ := json.Marshal([]any{j, r})
	return assay.DigestOf(text)
}
