package pixel

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const smallGraph = `{"1":{"class_type":"KSampler","inputs":{"seed":5,"steps":20,"cfg":8.0,"sampler_name":"euler","scheduler":"normal","denoise":1.0,"model":["4",0],"positive":["2",0],"negative":["3",0],"latent_image":["5",0]}},` +
	`"2":{"class_type":"CLIPTextEncode","inputs":{"text":"a red fox","clip":["4",1]}},` +
	`"3":{"class_type":"CLIPTextEncode","inputs":{"text":"text","clip":["4",1]},"is_changed":[NaN]},` +
	`"4":{"class_type":"CheckpointLoaderSimple","inputs":{"ckpt_name":"sd.ckpt"}},` +
	`"5":{"class_type":"EmptyLatentImage","inputs":{"width":512,"height":640,"batch_size":1}},` +
	`"6":{"class_type":"VAEDecode","inputs":{"samples":["1",0],"vae":["4",2]}},` +
	`"7":{"class_type":"SaveImage","inputs":{"images":["6",0]}}}`

// The prompts were read off the graphs by eye. The last file is a photograph,
// the input of its workflow, and carries no generation data.
var comfyFiles = []struct {
	file, prompt, negative string
	settings               string // seed steps cfg sampler scheduler denoise width height; - for none
	model                  string
}{
	{"area_composition__workflow_night_evening_day_morning.png",
		"(best quality) (night:1.3) (darkness) sky (black) (stars:1.2) (galaxy:1.2) (space) (universe)\n" +
			"(best quality) (evening:1.2) (sky:1.2) (clouds) (colorful) (HDR:1.2) (sunset:1.3)\n" +
			"(best quality) (daytime:1.2) sky (blue)\n" +
			"(masterpiece) (best quality) morning sky\n" +
			"(masterpiece) (best quality) beautiful landscape breathtaking amazing view nature photograph forest mountains ocean (sky) national park scenery",
		"(hands), text, error, cropped, (worst quality:1.2), (low quality:1.2), normal quality, (jpeg artifacts:1.3), signature, watermark, username, blurry, artist name, monochrome, sketch, censorship, censor, (copyright:1.2), extra legs, (forehead mark) (depth of field) (emotionless) (penis) (pumpkin)",
		"335608130539327 13 8.5 dpmpp_sde normal 1.0 704 1280", "Anything-V3.0.ckpt"},
	{"hypernetworks__hypernetwork_example_output.png",
		"woman (fennec ears fox ears:1.1), marble statue, museum", "text, watermark",
		"572636856966402 20 8.0 uni_pc_bh2 normal 1.0 512 512", "v1-5-pruned-emaonly.ckpt"},
	{"img2img__img2img_workflow.png",
		"photograph of victorian woman with wings, sky clouds, meadow grass", "watermark, text",
		"280823642470253 20 8.0 dpmpp_2m normal 0.8700000000000001 - -", "v1-5-pruned-emaonly.ckpt"},
	{"inpaint__inpaint_example.png",
		"closeup photograph of maine coon (cat:1.2) in the yosemite national park mountains nature", "watermark, text",
		"1040111309094545 20 8.0 uni_pc_bh2 normal 1.0 - -", "512-inpainting-ema.safetensors"},
	{"lora__lora.png", "masterpiece best quality girl", "bad hands",
		"851616030078638 20 8.0 euler normal 1.0 512 512", "v1-5-pruned-emaonly.ckpt"},
	{"lora__lora_multiple.png", "masterpiece best quality girl", "bad hands",
		"513173432917412 20 8.0 euler normal 1.0 512 512", "v1-5-pruned-emaonly.ckpt"},
	{"model_merging__model_merging_basic.png",
		"beautiful scenery nature glass bottle landscape, , purple galaxy bottle,", "text, watermark",
		"156680208700286 20 8.0 euler normal 1.0 512 512", "v1-5-pruned-emaonly.ckpt, cardosAnime_v10.safetensors"},
	{"sdturbo__sdxlturbo_example.png",
		"beautiful landscape scenery glass bottle with a galaxy inside cute fennec fox snow HDR sunset", "text, watermark",
		"0 1 1.0 euler_ancestral - - 512 512", "sd_xl_turbo_1.0_fp16.safetensors"},
	{"textual_inversion_embeddings__embedding_example.png",
		"photograph in the style of embedding:SDA768.pt girl with blonde hair\nlandscape scenery view", "bad hands",
		"193694018275622 20 8.0 uni_pc_bh2 normal 1.0 768 768", "v2-1_768-ema-pruned.ckpt"},
	{"unclip__sunset.png", "", "", "", ""},
}

func TestComfyFiles(t *testing.T) {
	for _, c := range comfyFiles {
		t.Run(c.file, func(t *testing.T) {
			m, doubts := ReadMeta(sharedFile(t, "series/comfyui_workflows/"+c.file))
			if len(doubts) > 0 {
				t.Errorf("doubts: %v", doubts)
			}
			if c.prompt == "" {
				if !cmp.Equal(m, Meta{}) {
					t.Errorf("found %+v in a photograph", m)
				}
				return
			}
			if m.Generator != comfyUI || m.Prompt != c.prompt || m.Negative != c.negative || m.Settings["model"] != c.model {
				t.Errorf("generator %q, model %q, prompt %q, negative %q", m.Generator, m.Settings["model"], m.Prompt, m.Negative)
			}
			var got []string
			for _, k := range strings.Fields("seed steps cfg sampler scheduler denoise width height") {
				v, ok := m.Settings[k]
				if !ok {
					v = "-"
				}
				got = append(got, v)
			}
			if s := strings.Join(got, " "); s != c.settings {
				t.Errorf("settings %q, want %q", s, c.settings)
			}
			sameFromEditor(t, m)
		})
	}
}

// sameFromEditor reads the editor's graph of the same file alone and holds it
// against m: two accounts of one picture.
func sameFromEditor(t *testing.T, m Meta) {
	t.Helper()
	e, doubts, err := readComfy(map[string]string{"workflow": m.Raw["workflow"]})
	if err != nil || len(doubts) > 0 {
		t.Fatalf("editor graph: %v, %v", doubts, err)
	}
	e.Prompt, e.Negative = strings.TrimSpace(e.Prompt), strings.TrimSpace(e.Negative)
	if e.Prompt != m.Prompt || e.Negative != m.Negative || e.Settings["model"] != m.Settings["model"] ||
		e.Settings["steps"] != m.Settings["steps"] || e.Settings["sampler"] != m.Settings["sampler"] {
		t.Errorf("editor graph: prompt %q, negative %q, settings %v", e.Prompt, e.Negative, e.Settings)
	}
}

// node writes one node of a graph; inputs is JSON without its braces.
func node(id, class, inputs string) string {
	return fmt.Sprintf(`%q:{"class_type":%q,"inputs":{%s}}`, id, class, inputs)
}

func graph(nodes ...string) string { return "{" + strings.Join(nodes, ",") + "}" }

func TestComfyGraphs(t *testing.T) {
	pos, neg := node("p", "CLIPTextEncode", `"text":"POS"`), node("n", "CLIPTextEncode", `"text":"NEG"`)
	sampler := func(id, p, n, more string) string {
		return node(id, "KSampler", `"seed":1,"positive":`+p+`,"negative":`+n+more)
	}
	for name, c := range map[string]struct {
		graph, prompt, negative, doubt string
	}{
		"small": {smallGraph, "a red fox", "text", ""},
		"controlnet": {graph(pos, neg, sampler("1", `["c",0]`, `["c",1]`, ""),
			node("c", "ControlNetApplyAdvanced", `"positive":["p",0],"negative":["n",0],"control_net":["x",0],"image":["p",0]`)), "POS", "NEG", ""},
		"controlnet crossed": {graph(pos, neg, sampler("1", `["c",1]`, `["c",0]`, ""),
			node("c", "ControlNetApplyAdvanced", `"positive":["p",0],"negative":["n",0]`)), "NEG", "POS", ""},
		"unclip": {graph(pos, neg, sampler("1", `["u",0]`, `["n",0]`, ""),
			node("u", "unCLIPConditioning", `"strength":1,"conditioning":["p",0],"clip_vision_output":["n",0]`)), "POS", "NEG", ""},
		"zeroed negative": {graph(pos, sampler("1", `["p",0]`, `["z",0]`, ""),
			node("z", "ConditioningZeroOut", `"conditioning":["p",0]`)), "POS", "", ""},
		"same text twice": {graph(pos, neg, sampler("1", `["s",0]`, `["n",0]`, ""),
			node("s", "CLIPTextEncodeSDXL", `"text_g":"both","text_l":"both","width":1024`)), "both", "NEG", ""},
		"text by link": {graph(neg, sampler("1", `["e",0]`, `["n",0]`, ""), node("e", "CLIPTextEncode", `"text":["j",0],"clip":["n",0]`),
			node("j", "Text Concatenate", `"text_a":["a",0],"text_b":"dog","delimiter":", "`), node("a", "PrimitiveString", `"value":"cat"`)), "cat, dog", "NEG", ""},
		"reroute": {graph(pos, neg, sampler("1", `["r",0]`, `["n",0]`, ""), node("r", "Reroute", `"":["p",0]`)), "POS", "NEG", ""},
		"loader with prompts": {graph(sampler("1", `["l",1]`, `["l",2]`, ""),
			node("l", "Efficient Loader", `"positive":"good","negative":"bad","ckpt_name":"m"`)), "good", "bad", ""},
		"wildcards": {graph(neg, sampler("1", `["w",0]`, `["n",0]`, ""),
			node("w", "ImpactWildcardEncode", `"wildcard_text":"{a|b}","populated_text":"a"`)), "a", "NEG", ""},
		"guider": {graph(pos, node("s", "SamplerCustomAdvanced", `"noise":["x",0],"guider":["g",0],"latent_image":["x",0]`),
			node("g", "BasicGuider", `"conditioning":["f",0],"model":["x",0]`), node("f", "FluxGuidance", `"guidance":3.5,"conditioning":["p",0]`), node("x", "RandomNoise", `"noise_seed":9`)), "POS", "", ""},
		"refined": {graph(pos, neg, node("q", "CLIPTextEncode", `"text":"REFINE"`), sampler("2", `["q",0]`, `["n",0]`, `,"latent_image":["9",0]`),
			sampler("9", `["p",0]`, `["n",0]`, ""), node("o", "SaveImage", `"images":["2",0]`)), "POS", "NEG", ""},
		"two pictures, one saved": {graph(pos, neg, node("q", "CLIPTextEncode", `"text":"OTHER"`), sampler("1", `["q",0]`, `["n",0]`, ""),
			sampler("2", `["p",0]`, `["n",0]`, ""), node("o", "SaveImage", `"images":["2",0]`)), "POS", "NEG", ""},
		"two pictures": {graph(pos, neg, node("q", "CLIPTextEncode", `"text":"OTHER"`), sampler("10", `["q",0]`, `["n",0]`, ""),
			sampler("2", `["p",0]`, `["n",0]`, "")), "POS", "NEG", "different prompts"},
		"cycle": {graph(sampler("1", `["a",0]`, `["a",0]`, `,"latent_image":["1",0],"model":["m",0]`),
			node("a", "ConditioningCombine", `"conditioning_1":["b",0]`), node("b", "ConditioningCombine", `"conditioning_1":["a",0]`), node("m", "LoraLoader", `"model":["m",0]`)), "", "", "no text"},
		"no sampler":   {graph(pos), "", "", "no sampler"},
		"empty":        {"{}", "", "", "no sampler"},
		"odd contents": {`{"1":3,"2":{"class_type":"KSampler","inputs":{"positive":["1",0],"seed":[1,2,3]}},"3":{"inputs":[]},"4":{"class_type":"KSampler","inputs":{"positive":["4",1.5],"negative":[{},0]}}}`, "", "", "no sampler"},
	} {
		t.Run(name, func(t *testing.T) {
			m, doubts := ReadMeta(pngFile(tEXt("prompt", c.graph)))
			if m.Generator != comfyUI || m.Prompt != c.prompt || m.Negative != c.negative {
				t.Errorf("generator %q, prompt %q, negative %q", m.Generator, m.Prompt, m.Negative)
			}
			if (len(doubts) > 0) != (c.doubt != "") || !strings.Contains(fmt.Sprint(doubts), c.doubt) {
				t.Errorf("doubts %v, want %q", doubts, c.doubt)
			}
		})
	}
}

// TestComfyBesideInfotext: nodes that save A1111's text too fill in where the
// graph shows nothing.
func TestComfyBesideInfotext(t *testing.T) {
	m, doubts := ReadMeta(pngFile(tEXt("prompt", "{}"), tEXt("parameters", infotext)))
	if m.Generator != comfyUI || m.Prompt != infoMeta.Prompt || m.Settings["seed"] != "1234567890" || len(doubts) != 2 {
		t.Errorf("%+v, %v", m, doubts)
	}
}

// TestComfyTangled: a graph in which the number of paths doubles at every node
// is left in time that grows with its nodes only.
func TestComfyTangled(t *testing.T) {
	nodes := []string{node("0", "CLIPTextEncode", `"text":"deep"`), node("s", "KSampler", `"seed":1,"positive":["3000",0]`)}
	for i := 1; i <= 3000; i++ {
		up := fmt.Sprintf(`["%d",0]`, i-1)
		nodes = append(nodes, node(fmt.Sprint(i), "ConditioningCombine", `"conditioning_1":`+up+`,"conditioning_2":`+up))
	}
	if m := readOne(t, tEXt("prompt", graph(nodes...))); m.Prompt != "deep" {
		t.Errorf("prompt %q", m.Prompt)
	}
}

func FuzzComfy(f *testing.F) {
	f.Add(smallGraph, "")
	f.Add("", `{"nodes":[{"id":1,"type":"KSampler","inputs":[{"name":"positive","link":7}],"widgets_values":[3,"fixed",20]},{"id":2,"type":"CLIPTextEncode","widgets_values":["x"]}],"links":[[7,2,0,1,1,"CONDITIONING"]]}`)
	f.Add(graph(node("1", "KSampler", `"seed":["1",0],"positive":["2",0],"latent_image":["1",0]`), node("2", "Reroute", `"":["2",0]`)), "")
	f.Add(`{"a":[NaN,-Infinity,"NaN\"NaN"]}`, "[]")
	f.Fuzz(func(t *testing.T, prompt, workflow string) {
		m, doubts, err := readComfy(map[string]string{"prompt": prompt, "workflow": workflow})
		again, _, _ := readComfy(map[string]string{"prompt": prompt, "workflow": workflow})
		if diff := cmp.Diff(m, again); diff != "" {
			t.Errorf("read twice, read differently: %s", diff)
		}
		if err != nil && (m.Prompt != "" || len(doubts) > 0) {
			t.Errorf("both an error, %v, and %+v", err, m)
		}
		// A text is taken once a side, so a prompt is no longer than its graph:
		// an escape is longer than what it stands for.
		if len(m.Prompt) > 3*(len(prompt)+len(workflow)) {
			t.Errorf("prompt of %d bytes from %d", len(m.Prompt), len(prompt)+len(workflow))
		}
	})
}
