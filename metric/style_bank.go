package metric

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/weights"
)

// newStyleBank returns the directions of all captions. Reading some 240 captions
// takes from seconds to a minute, so what they read as is kept beside the text
// half's prepared file, under a name that says what it depends on besides the
// model's files: the captions and the runtime.
func newStyleBank(ctx context.Context, x *textual) (*styleBank, error) {
	groups := [][]string{neutralPrompts(), artPrompts(), otherPrompts()}
	for _, c := range styleClasses() {
		groups = append(groups, c.prompts())
	}
	models := append([]string{x.row.models[0]}, vocabularyModel)
	done, err := x.towers.models.Prepare(ctx, models, captionsName(x, groups), towerRecipe,
		func(map[string]map[string]string) ([]weights.Piece, error) { return captionPieces(ctx, x, groups) })
	if err != nil {
		return nil, fmt.Errorf("captions of styles: %w", err)
	}
	directions, err := readCaptions(done.Path, len(groups), x.row.text.Projection)
	if err != nil {
		return nil, fmt.Errorf("captions of styles: %w", err)
	}
	b := &styleBank{neutral: directions[0], art: directions[1], other: directions[2], classes: directions[3:]}
	for _, c := range b.classes {
		b.bias = append(b.bias, dot(c, b.neutral))
	}
	return b, nil
}

// captionsName names the file of the captions' directions.
func captionsName(x *textual, groups [][]string) string {
	h := sha256.New()
	fmt.Fprintf(h, "assay captions 1\n%s\n%s\n", x.towers.runtime(x.towers.precision()), x.row.variant)
	for _, g := range groups {
		io.WriteString(h, strings.Join(g, "\n")+"\n\n")
	}
	return "style-" + hex.EncodeToString(h.Sum(nil)[:6])
}

// captionsTensor is the one tensor of that file: a direction a row, float64.
const captionsTensor = "captions"

// captionPieces embeds the captions.
func captionPieces(ctx context.Context, x *textual, groups [][]string) ([]weights.Piece, error) {
	var raw []byte
	for _, prompts := range groups {
		v, err := meanDirection(ctx, x, prompts)
		if err != nil {
			return nil, err
		}
		for _, c := range v {
			raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(c))
		}
	}
	return []weights.Piece{{Name: captionsTensor, Shape: []int{len(groups), x.row.text.Projection}, DType: "float64",
		Make: func() ([]byte, error) { return raw, nil }}}, nil
}

// readCaptions reads n directions of e numbers.
func readCaptions(path string, n, e int) ([][]float64, error) {
	c, err := weights.Open(path, weights.Limits{})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	values, err := c.Float64(captionsTensor)
	if err != nil {
		return nil, err
	}
	if len(values) != n*e {
		return nil, fmt.Errorf("%s holds %d numbers, want %d: %w", path, len(values), n*e, assay.ErrInvalid)
	}
	out := make([][]float64, n)
	for i := range out {
		out[i] = values[i*e : (i+1)*e]
	}
	return out, nil
}

// meanDirection returns the direction of the mean of the prompts' directions.
func meanDirection(ctx context.Context, x *textual, prompts []string) ([]float64, error) {
	sum := make([]float64, x.row.text.Projection)
	for _, prompt := range prompts {
		v, _, err := x.embed(ctx, prompt)
		if err != nil {
			return nil, err
		}
		for i, c := range unit(v) {
			sum[i] += c
		}
	}
	length := math.Sqrt(dot(sum, sum))
	if !(length > 1e-9) {
		return nil, fmt.Errorf("the captions cancel each other out: %w", assay.ErrInvalid)
	}
	for i := range sum {
		sum[i] /= length
	}
	return sum, nil
}
