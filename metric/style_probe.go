package metric

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/weights"
)

// StyleProbeHelp says what a file for [TowerOptions.StyleProbe] must hold. Such
// probes are not shipped: weights trained on WikiArt inherit its
// non-commercial terms.
const StyleProbeHelp = `A safetensors file with the float32 tensors weight [27, e] and bias [27] of a linear classifier over embeddings of
length 1, and the metadata
  classes                 JSON array of the 27 style names, in the order and spelling of the style instrument
  temperature             number above 0 that the scores are divided by before the softmax
  embedding_model_sha256  checkpoint of the tower the embeddings were made with, as assay's embeddings state it
  data_licence            terms of the training data, for people`

// A styleProbe is a trained linear classifier of styles.
type styleProbe struct {
	weight      [][]float64
	bias        []float64
	temperature float64
	digest      string
}

// scores returns w·v + b of each style.
func (p styleProbe) scores(v []float64) []float64 {
	out := make([]float64, len(p.bias))
	for k, w := range p.weight {
		out[k] = dot(w, v) + p.bias[k]
	}
	return out
}

// readProbe reads a probe for embeddings [dim] of the tower with the given
// checkpoint.
func readProbe(path, checkpoint string, dim int) (styleProbe, error) {
	c, err := weights.Open(path, weights.Limits{})
	if err != nil {
		return styleProbe{}, fmt.Errorf("style probe: %w", err)
	}
	defer c.Close()
	p, err := probeOf(c, checkpoint, dim)
	if err != nil {
		return p, fmt.Errorf("style probe %s: %w", path, err)
	}
	p.digest, err = c.Digest()
	return p, err
}

func probeOf(c *weights.Checkpoint, checkpoint string, dim int) (p styleProbe, err error) {
	bad := func(format string, args ...any) (styleProbe, error) {
		return styleProbe{}, fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), assay.ErrInvalid)
	}
	names, meta := StyleNames(), c.Metadata()
	var classes []string
	if err := json.Unmarshal([]byte(meta["classes"]), &classes); err != nil || !slices.Equal(classes, names) {
		return bad("metadata classes is %.200q, want the JSON array of the 27 styles %q", meta["classes"], names)
	}
	p.temperature, err = strconv.ParseFloat(meta["temperature"], 64)
	if err != nil || !(p.temperature >= 1e-6 && p.temperature <= 1e6) {
		return bad("metadata temperature is %.40q, want a number above 0", meta["temperature"])
	}
	if got := meta["embedding_model_sha256"]; got != checkpoint {
		return bad("it was trained on embeddings of checkpoint %.80q, and this tower's is %q", got, checkpoint)
	}
	if !slices.Equal(c.Names(), []string{"bias", "weight"}) {
		return bad("tensors %.300q, want bias and weight", c.Names())
	}
	if w, _ := c.Shape("weight"); !slices.Equal(w, []int{len(names), dim}) {
		return bad("weight is %v, want [%d, %d]", w, len(names), dim)
	}
	if b, _ := c.Shape("bias"); !slices.Equal(b, []int{len(names)}) {
		return bad("bias is %v, want [%d]", b, len(names))
	}
	w, err := c.Float64("weight")
	if err != nil {
		return p, err
	}
	if p.bias, err = c.Float64("bias"); err != nil {
		return p, err
	}
	for _, x := range slices.Concat(w, p.bias) {
		if x-x != 0 {
			return bad("it holds %v", x)
		}
	}
	p.weight = slices.Collect(slices.Chunk(w, dim))
	return p, nil
}
