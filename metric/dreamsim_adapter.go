package metric

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/weights"
)

// A dreamSimTower says where one of DreamSim's towers lies in its release.
type dreamSimTower struct {
	name    string // of the prepared file
	adapter string // folder of the adapter in the archive
	index   int    // of the tower in the adapter
	towers  int    // that the adapter is for
	file    string // of the backbone in the archive; "" if it is another model's
	prefix  string // of the tensors' names in that file
	base    string // the model that holds the backbone, if it is not in the archive
}

// pieces makes the tower: backbone and adapter, merged.
func (t *dreamSimTower) pieces(r towerRow, open *officialFiles, p nn.Precision) ([]weights.Piece, error) {
	a, err := open.archive(r.models[0])
	if err != nil {
		return nil, err
	}
	if err := t.release(a.Names()); err != nil {
		return nil, err
	}
	config, err := a.ReadFile(t.adapter+"/adapter_config.json", 1<<20)
	if err != nil {
		return nil, err
	}
	c, err := adapterWeights(a, t.adapter)
	if err != nil {
		return nil, err
	}
	lora, err := readAdapter(config, c, t.index, t.towers, r.vit)
	if err != nil {
		return nil, fmt.Errorf("adapter %s: %w", t.adapter, err)
	}
	src, err := t.backbone(a, open)
	if err != nil {
		return nil, err
	}
	return r.vit.Pieces(r.layout, src, lora, p)
}

// release refuses archives of another variant or generation.
func (t *dreamSimTower) release(names []string) error {
	folders := map[string]bool{}
	for _, name := range names {
		parts := strings.Split(name, "/")
		for _, folder := range parts[:len(parts)-1] {
			if strings.HasSuffix(folder, "_lora") {
				folders[folder] = true
			}
		}
	}
	if folders[t.adapter] {
		return nil
	}
	for folder := range folders {
		// v0.1 has a folder a tower, "dino_vitb16_lora"; later ones say "single" or "patch".
		if !strings.HasSuffix(folder, "_single_lora") && !strings.HasSuffix(folder, "_patch_lora") && folder != "ensemble_lora" {
			return fmt.Errorf("the archive holds %s: adapters of DreamSim v0.1, which adapt queries and values only and give other distances "+
				"(0.424 and 0.34 on the demo, not 0.4453 and 0.2756); want a release of v0.2.0 or later: %w", folder, assay.ErrInvalid)
		}
	}
	var have []string
	for folder := range folders {
		have = append(have, folder)
	}
	slices.Sort(have)
	return fmt.Errorf("the archive has no adapter %s; it has %q, so it is of another variant: %w", t.adapter, have, assay.ErrInvalid)
}

// backbone opens the network that the adapter belongs to.
func (t *dreamSimTower) backbone(a *weights.Archive, open *officialFiles) (*weights.Checkpoint, error) {
	if t.base != "" {
		return open.checkpoint(t.base, t.prefix)
	}
	c, err := a.Checkpoint(t.file, weights.Limits{})
	if err != nil {
		return nil, err
	}
	return within(c, t.prefix)
}

// adapterWeights opens the adapter's tensors, whichever container peft used.
func adapterWeights(a *weights.Archive, folder string) (*weights.Checkpoint, error) {
	c, err := a.Checkpoint(folder+"/adapter_model.safetensors", weights.Limits{})
	if errors.Is(err, assay.ErrNotFound) {
		return a.Checkpoint(folder+"/adapter_model.bin", weights.Limits{})
	}
	return c, err
}

// An adapterConfig is what matters of peft's adapter_config.json.
type adapterConfig struct {
	Type         string          `json:"peft_type"`
	Rank         int             `json:"r"`
	Alpha        *float64        `json:"lora_alpha"`
	RSLoRA       bool            `json:"use_rslora"`
	DoRA         bool            `json:"use_dora"`
	Bias         string          `json:"bias"`
	FanInFanOut  bool            `json:"fan_in_fan_out"`
	Targets      json.RawMessage `json:"target_modules"`
	EnableLora   json.RawMessage `json:"enable_lora"` // peft 0.1 only
	RankPattern  map[string]any  `json:"rank_pattern"`
	AlphaPattern map[string]any  `json:"alpha_pattern"`
	Saved        json.RawMessage `json:"modules_to_save"`
}

// parseAdapter reads and checks adapter_config.json, and returns the rank and
// the factor on B·A.
func parseAdapter(data []byte) (rank int, scale float32, err error) {
	var c adapterConfig
	if err := json.Unmarshal(data, &c); err != nil {
		return 0, 0, fmt.Errorf("adapter_config.json: %v: %w", err, assay.ErrInvalid)
	}
	bad := func(format string, args ...any) (int, float32, error) {
		return 0, 0, fmt.Errorf("adapter_config.json: %s: %w", fmt.Sprintf(format, args...), assay.ErrInvalid)
	}
	given := func(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" && string(raw) != "[]" }
	switch {
	case given(c.EnableLora):
		return bad("enable_lora is %s: an adapter of DreamSim v0.1, which gives other distances; want a release of v0.2.0 or later", c.EnableLora)
	case c.Type != "" && c.Type != "LORA":
		return bad("peft_type is %q, want LORA", c.Type)
	case c.Rank < 1 || c.Rank > 4096:
		return bad("r is %d, want 1 to 4096", c.Rank)
	case c.Alpha == nil || !(math.Abs(*c.Alpha) <= 1e6) || *c.Alpha == 0:
		return bad("lora_alpha is missing, zero or too large")
	case c.Bias != "" && c.Bias != "none":
		return bad("bias is %q, want none", c.Bias)
	case c.FanInFanOut || c.DoRA || len(c.RankPattern) > 0 || len(c.AlphaPattern) > 0 || given(c.Saved):
		return bad("it uses fan_in_fan_out, use_dora, a pattern or modules_to_save, which DreamSim's do not")
	case !qkvOnly(c.Targets):
		return bad("target_modules is %s, want qkv alone", c.Targets)
	}
	factor := *c.Alpha / float64(c.Rank)
	if c.RSLoRA {
		factor = *c.Alpha / math.Sqrt(float64(c.Rank))
	}
	return c.Rank, float32(factor), nil
}

// qkvOnly reports whether target_modules, a name or a list, is the fused query,
// key and value.
func qkvOnly(raw json.RawMessage) bool {
	var list []string
	if json.Unmarshal(raw, &list) != nil {
		list = make([]string, 1)
		if json.Unmarshal(raw, &list[0]) != nil {
			return false
		}
	}
	for _, name := range list {
		if name != "qkv" && !strings.HasSuffix(name, ".qkv") && !strings.HasSuffix(name, `\.qkv`) {
			return false
		}
	}
	return len(list) > 0
}

// loraName is an adapter tensor's name: tower, block, and which of the two
// matrices.
var loraName = regexp.MustCompile(`(?:^|\.)extractor_list\.(\d{1,3})\.model\.blocks\.(\d{1,4})\.attn\.qkv\.lora_([AB])(?:\.default)?\.weight$`)

// A loraSource is where adapter matrices come from; a checkpoint is one.
type loraSource interface {
	Names() []string
	Shape(name string) ([]int, bool)
	Float32(name string) ([]float32, error)
}

// readAdapter finds the adapter of one of the towers in the adapter's tensors,
// which must hold one pair a block for every tower and nothing else.
func readAdapter(config []byte, src loraSource, index, towers int, v backbone.ViT) (*backbone.LoRA, error) {
	rank, scale, err := parseAdapter(config)
	if err != nil {
		return nil, err
	}
	type place struct {
		tower, block int
		matrix       string
	}
	found := map[place]string{}
	for _, name := range src.Names() {
		m := loraName.FindStringSubmatch(name)
		if m == nil {
			return nil, fmt.Errorf("tensor %.200q is no adapter of an attention's query, key and value: %w", name, assay.ErrInvalid)
		}
		tower, _ := strconv.Atoi(m[1]) // a few digits, so it cannot fail
		block, _ := strconv.Atoi(m[2])
		at := place{tower, block, m[3]}
		if other, ok := found[at]; ok {
			return nil, fmt.Errorf("tensors %.200q and %.200q are the same matrix: %w", other, name, assay.ErrInvalid)
		}
		found[at] = name
	}
	for tower := range towers {
		for block := range v.Layers {
			for matrix, want := range map[string][]int{"A": {rank, v.Width}, "B": {3 * v.Width, rank}} {
				name, ok := found[place{tower, block, matrix}]
				if !ok {
					return nil, fmt.Errorf("matrix %s of tower %d, block %d is missing: it holds %d of the %d matrices of %d towers: %w",
						matrix, tower, block, len(found), 2*towers*v.Layers, towers, assay.ErrInvalid)
				}
				if shape, _ := src.Shape(name); !slices.Equal(shape, want) {
					return nil, fmt.Errorf("tensor %q is %v, want %v: %w", name, shape, want, assay.ErrInvalid)
				}
			}
		}
	}
	if len(found) != 2*towers*v.Layers {
		return nil, fmt.Errorf("it holds %d matrices, want the %d of %d towers: it is of another variant: %w",
			len(found), 2*towers*v.Layers, towers, assay.ErrInvalid)
	}
	get := func(matrix string) func(int) ([]float32, error) {
		return func(block int) ([]float32, error) { return src.Float32(found[place{index, block, matrix}]) }
	}
	if err := trained(get("B"), v.Layers); err != nil {
		return nil, err
	}
	return &backbone.LoRA{Scale: scale, Rank: rank, A: get("A"), B: get("B")}, nil
}

// trained refuses an adapter that changes nothing: B starts as zeros.
func trained(b func(int) ([]float32, error), layers int) error {
	for block := range layers {
		v, err := b(block)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(v, func(x float32) bool { return x != 0 }) {
			return nil
		}
	}
	return fmt.Errorf("every matrix B is zero: the adapter was never trained: %w", assay.ErrInvalid)
}
