package pixel

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// The texts below are written after the generators' own writers.
const (
	invokeNew = `{"generation_mode":"txt2img","positive_prompt":"a lighthouse","negative_prompt":"people","width":512,"height":768,"seed":42,"cfg_scale":7.5,"steps":30,"scheduler":"euler","model":{"key":"k","name":"dreamshaper","base":"sd-1"},"app_version":"4.2.0"}`
	invokeOld = `{"model":"stable diffusion","model_weights":"sd-1.5","app_id":"invoke-ai/InvokeAI","app_version":"2.2.5","image":{"prompt":[{"prompt":"a lighthouse [people, cars]","weight":1}],"steps":50,"cfg_scale":7.5,"height":512,"width":512,"seed":123,"sampler":"k_lms"}}`
	fooocusV2 = `{"prompt":"a lighthouse","negative_prompt":"people","styles":"['Fooocus V2']","steps":30,"resolution":"(1152, 896)","guidance_scale":4.0,"base_model":"juggernaut","sampler":"dpmpp_2m_sde_gpu","scheduler":"karras","seed":"77","loras":[["x",0.1]],"version":"Fooocus v2.3.1"}`
	novelOld  = `{"steps":28,"sampler":"k_euler_ancestral","seed":1,"strength":0.7,"noise":0.2,"scale":11.0,"uc":"lowres"}`
	novelNew  = `{"prompt":"old","steps":28,"seed":2,"scale":5.0,"uc":"lowres","v4_prompt":{"caption":{"base_caption":"two girls","char_captions":[{"char_caption":"red hair"},{"char_caption":"blue hair"}]}},"v4_negative_prompt":{"caption":{"base_caption":"blurry","char_captions":[]}}}`
	swarm     = `{"sui_image_params":{"prompt":"a lighthouse","negativeprompt":"people","model":"sdxl","seed":9,"steps":20,"cfgscale":6.5,"width":1024,"height":1024,"swarm_version":"0.9"},"sui_extra_data":{"date":"2025"}}`
)

func TestOtherGenerators(t *testing.T) {
	fooocus := Meta{Generator: "fooocus", Prompt: "a lighthouse", Negative: "people", Settings: map[string]string{
		"styles": "['Fooocus V2']", "steps": "30", "width": "1152", "height": "896", "resolution": "(1152, 896)", "cfg": "4.0",
		"model": "juggernaut", "sampler": "dpmpp_2m_sde_gpu", "scheduler": "karras", "seed": "77", "version": "Fooocus v2.3.1"}}
	for name, c := range map[string]struct {
		file []byte
		want Meta
	}{
		"invokeai 4": {pngFile(tEXt("invokeai_metadata", invokeNew), tEXt("invokeai_graph", "{}")),
			Meta{Generator: "invokeai", Prompt: "a lighthouse", Negative: "people", Settings: map[string]string{
				"generation_mode": "txt2img", "width": "512", "height": "768", "seed": "42", "cfg": "7.5", "steps": "30",
				"scheduler": "euler", "model": "dreamshaper", "version": "4.2.0"}}},
		"invokeai 2": {pngFile(tEXt("sd-metadata", invokeOld), tEXt("Dream", "ignored")),
			Meta{Generator: "invokeai", Prompt: "a lighthouse", Negative: "people, cars", Settings: map[string]string{
				"width": "512", "height": "512", "seed": "123", "cfg": "7.5", "steps": "50",
				"sampler": "k_lms", "model": "sd-1.5", "version": "2.2.5"}}},
		"dream": {pngFile(tEXt("Dream", `"a "tall" lighthouse [people]" -s 50 -S1234 -W 512 -H512 -C 7.5 -A k_lms`)),
			Meta{Generator: "invokeai", Prompt: `a "tall" lighthouse`, Negative: "people", Settings: map[string]string{
				"steps": "50", "seed": "1234", "width": "512", "height": "512", "cfg": "7.5", "sampler": "k_lms"}}},
		"dream unquoted": {pngFile(tEXt("dream", `a lighthouse -s 9 -S`)),
			Meta{Generator: "invokeai", Prompt: `a lighthouse`, Settings: map[string]string{"steps": "9"}}},
		"fooocus": {pngFile(tEXt("parameters", fooocusV2), tEXt("fooocus_scheme", "fooocus")), fooocus},
		"fooocus jpeg": {jpegFile(tiffBlock(binary.LittleEndian,
			tag{tagSoftware, "Fooocus v2.3.1\x00"}, tag{tagUserComment, fooocusV2}, tag{tagMakerNote, "fooocus\x00"})), fooocus},
		"fooocus as a1111": {pngFile(tEXt("parameters", infotext), tEXt("fooocus_scheme", "a1111")),
			Meta{Generator: "fooocus", Prompt: infoMeta.Prompt, Negative: infoMeta.Negative, Settings: infoMeta.Settings}},
		"novelai": {pngFile(tEXt("Title", "AI generated image"), tEXt("Description", "a lighthouse"), tEXt("Software", "NovelAI"),
			tEXt("Source", "Stable Diffusion 81274D13"), tEXt("Comment", novelOld)),
			Meta{Generator: "novelai", Prompt: "a lighthouse", Negative: "lowres", Settings: map[string]string{
				"steps": "28", "sampler": "k_euler_ancestral", "seed": "1", "denoise": "0.7", "noise": "0.2", "cfg": "11.0",
				"model": "Stable Diffusion 81274D13"}}},
		"novelai 4": {pngFile(tEXt("Software", "NovelAI"), tEXt("Comment", novelNew)),
			Meta{Generator: "novelai", Prompt: "two girls\nred hair\nblue hair", Negative: "blurry", Settings: map[string]string{
				"steps": "28", "seed": "2", "cfg": "5.0"}}},
		"swarmui": {pngFile(tEXt("parameters", swarm)),
			Meta{Generator: "swarmui", Prompt: "a lighthouse", Negative: "people", Settings: map[string]string{
				"model": "sdxl", "seed": "9", "steps": "20", "cfg": "6.5", "width": "1024", "height": "1024", "version": "0.9"}}},
	} {
		t.Run(name, func(t *testing.T) {
			m, doubts := ReadMeta(c.file)
			if len(doubts) > 0 {
				t.Errorf("doubts: %v", doubts)
			}
			if len(m.Raw) == 0 {
				t.Error("no raw text")
			}
			m.Raw = nil
			if diff := cmp.Diff(c.want, m); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestOtherGeneratorsBroken: a known keyword with a broken text is a doubt.
func TestOtherGeneratorsBroken(t *testing.T) {
	for name, file := range map[string][]byte{
		"invokeai":       pngFile(tEXt("invokeai_metadata", "{")),
		"invokeai list":  pngFile(tEXt("sd-metadata", "[]")),
		"fooocus":        pngFile(tEXt("fooocus_scheme", "fooocus"), tEXt("parameters", "{")),
		"fooocus scheme": pngFile(tEXt("fooocus_scheme", "new"), tEXt("parameters", "{}")),
		"novelai":        pngFile(tEXt("Software", "NovelAI"), tEXt("Comment", "{")),
		"swarmui":        pngFile(tEXt("parameters", `{"sui_image_params":3}`)),
	} {
		m, doubts := ReadMeta(file)
		if len(doubts) == 0 {
			t.Errorf("%s: no doubt", name)
		}
		if m.Prompt != "" || m.Negative != "" {
			t.Errorf("%s: prompt %q and %q from a broken text", name, m.Prompt, m.Negative)
		}
	}
}

func FuzzA1111(f *testing.F) {
	f.Add(infotext)
	f.Add("a\nNegative prompt: b\nNegative prompt: c\nA b: \"x\\\"\", Steps: 1, Size: 1x2")
	f.Add("Steps: 20, Seed: 3")
	f.Fuzz(func(t *testing.T, text string) {
		m := parseA1111(text)
		if m.Generator != "a1111" || len(m.Prompt)+len(m.Negative) > len(text) {
			t.Errorf("prompt of %d and %d bytes from %d", len(m.Prompt), len(m.Negative), len(text))
		}
		if strings.Contains("\n"+m.Prompt, "\n"+a1111Negative) {
			t.Errorf("the negative prompt is left in %q", m.Prompt)
		}
		for k, v := range m.Settings {
			if k == "" || v == "" {
				t.Errorf("empty setting %q: %q", k, v)
			}
		}
	})
}

func FuzzReadMeta(f *testing.F) {
	f.Add(pngFile(tEXt("parameters", infotext), chunk("zTXt", "prompt\x00\x00"+deflated(smallGraph))))
	f.Add(pngFile(chunk("iTXt", "invokeai_metadata\x00\x01\x00\x00\x00"+deflated(invokeNew)), chunk("eXIf", string(tiffBlock(binary.BigEndian, tag{tagUserComment, infotext})))))
	f.Add(pngFile(tEXt("sd-metadata", invokeOld)))
	f.Add(pngFile(tEXt("Dream", `"x [y]" -s 5 -S1`)))
	f.Add(pngFile(tEXt("parameters", fooocusV2), tEXt("fooocus_scheme", "fooocus")))
	f.Add(pngFile(tEXt("Software", "NovelAI"), tEXt("Comment", novelNew)))
	f.Add(pngFile(tEXt("parameters", swarm)))
	f.Add(jpegFile(tiffBlock(binary.LittleEndian, tag{tagUserComment, "ASCII\x00\x00\x00" + infotext})))
	f.Add(webpFile("Exif\x00\x00" + string(tiffBlock(binary.BigEndian, tag{tagModel, "prompt:" + smallGraph}))))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, doubts := ReadMeta(data)
		again, _ := ReadMeta(data)
		if diff := cmp.Diff(m, again); diff != "" {
			t.Errorf("read twice, read differently: %s", diff)
		}
		for _, d := range doubts {
			if d == nil || d.Error() == "" {
				t.Error("an empty doubt")
			}
		}
		if m.Generator == "" && (m.Negative != "" || m.Settings != nil) {
			t.Errorf("settings of no generator: %+v", m)
		}
		if (m.Generator != "" || m.Prompt != "") && len(m.Raw) == 0 {
			t.Errorf("read from nothing: %+v", m)
		}
		all := m.Prompt + m.Negative
		for k, v := range m.Raw {
			all += k + v
			if len(v) > maxRaw {
				t.Errorf("raw text of %d bytes", len(v))
			}
		}
		for k, v := range m.Settings {
			all += k + v
		}
		if !utf8.ValidString(all) {
			t.Error("text that is not UTF-8")
		}
	})
}
