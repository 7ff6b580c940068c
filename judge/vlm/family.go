package vlm

import (
	"regexp"
	"strings"
)

// families says who makes what, by words that models' names hold. The first row
// that matches rules: a model that was tuned from another carries the name of
// both, and the maker of the weights it grew from is the one whose taste it has.
var families = []struct{ family, words string }{
	{"anthropic", `claude`},
	{"google", `gemini|gemma|paligemma|imagen|nano[- ]?banana|veo|parti|muse`},
	{"openai", `gpt|chatgpt|dall|o[1345](?:-mini|-pro|-preview)?|sora|openai`},
	{"qwen", `qwen|qwq|qvq|wan(?:\d|x)|z-?image|tongyi`},
	{"internvl", `internvl|internlm|intern-s\d`},
	{"llava", `llava|bakllava|vip-?llava`},
	{"mistral", `pixtral|mistral|ministral|magistral`},
	{"meta", `llama|emu|chameleon|meta`},
	{"microsoft", `phi|florence|kosmos`},
	{"deepseek", `deepseek|janus`},
	{"zhipu", `glm|cogvlm|cogview|visionreward`},
	{"openbmb", `minicpm|omnilmm`},
	{"moonshot", `kimi|moonshot|moondream`},
	{"allenai", `molmo|olmo|unified-?io`},
	{"huggingface", `smolvlm|idefics`},
	{"xai", `grok|aurora`},
	{"amazon", `nova|titan`},
	{"nvidia", `nvlm|vila|eagle|sana|nemotron|cosmos`},
	{"cohere", `aya|command-a`},
	{"baidu", `ernie`},
	{"bytedance", `doubao|seed(?:ream|-?vl|edit)?|bagel|sdxl-lightning|hyper-sd`},
	{"tencent", `hunyuan`},
	{"blackforest", `flux|black-?forest|bfl`},
	{"stability", `stability|stable[- ]?(?:diffusion|cascade|image)|sd(?:xl|[- ]?[123](?:[.-]?\d)?|-?turbo)|pony|illustrious|noobai|animagine|dreamshaper|juggernaut|realvis(?:xl)?|realistic[- ]?vision|deliberate`},
	{"midjourney", `midjourney|niji|mj(?:[- ]?v?\d)?`},
	{"ideogram", `ideogram`},
	{"adobe", `firefly`},
	{"recraft", `recraft`},
	{"leonardo", `leonardo|phoenix`},
	{"playground", `playground`},
	{"pixart", `pixart`},
	{"kandinsky", `kandinsky|sber`},
	{"luma", `luma|photon`},
	{"kwai", `kolors|kling|keye`},
	{"hidream", `hidream`},
	{"lumina", `lumina`},
}

var familyPatterns = compileFamilies()

// compileFamilies anchors each word: it may not begin within another word, and
// may end before a digit or a sign ("qwen2.5-vl", "SDXL_base"), so that "muse"
// is not found in "museum".
func compileFamilies() []*regexp.Regexp {
	out := make([]*regexp.Regexp, len(families))
	for i, f := range families {
		out[i] = regexp.MustCompile(`(?:^|[^a-z])(?:` + f.words + `)(?:$|[^a-z]|v\d|vl|xl|ocr|chat)`)
	}
	return out
}

// Family returns the makers of a judge or of a generator, by the model's name as
// users and servers write it: "gpt-4o" and "dall-e-3" are "openai",
// "Qwen/Qwen2.5-VL-7B-Instruct" is "qwen", "sd_xl_base_1.0.safetensors" is
// "stability". It is empty if the name says nothing; two empty families are not
// the same family.
func Family(model string) string {
	name := strings.ToLower(strings.TrimSpace(model))
	// The file names of checkpoints write what people write with a space.
	name = strings.NewReplacer("_", "-", "sd-xl", "sdxl", "dall·e", "dall-e", "\\", "/").Replace(name)
	for i, re := range familyPatterns {
		if re.MatchString(name) {
			return families[i].family
		}
	}
	return ""
}
