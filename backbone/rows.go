package backbone

import "github.com/gen-emerge/assay/nn"

// The layer norms of CLIP towers use PyTorch's epsilon, those of DINO's family a
// smaller one.
const (
	clipEps = 1e-5
	dinoEps = 1e-6
)

// base is ViT-B without what the families differ in: width 768, 12 layers, 12 heads.
func base(name string, patch int) ViT {
	return ViT{Name: name, Size: 224, Patch: patch, Grid: 224 / patch, Width: 768, Layers: 12, Heads: 12, MLP: 3072}
}

// large is ViT-L/14: width 1024, 24 layers, 16 heads.
func large(name string, size int) ViT {
	return ViT{Name: name, Size: size, Patch: 14, Grid: size / 14, Width: 1024, Layers: 24, Heads: 16, MLP: 4096}
}

// huge is ViT-H/14: width 1280, 32 layers, 16 heads of 80.
func huge(name string) ViT {
	return ViT{Name: name, Size: 224, Patch: 14, Grid: 16, Width: 1280, Layers: 32, Heads: 16, MLP: 5120}
}

// clip makes v a vision tower of CLIP that projects to e.
func clip(v ViT, a nn.Activation, e int) ViT {
	v.Activation, v.Eps, v.PreNorm, v.Pool, v.Projection = a, clipEps, true, ClassNormed, e
	return v
}

// dino makes v a tower of the DINO family, whose feature is the raw class token.
func dino(v ViT) ViT {
	v.Activation, v.Eps, v.PatchBias, v.Pool = nn.GELU, dinoEps, true, ClassRaw
	return v
}

// dreamSim makes v a CLIP tower as DreamSim's files hold it: with a patch bias,
// which CLIP itself does not have.
func dreamSim(v ViT, a nn.Activation) ViT {
	v = clip(v, a, 512)
	v.PatchBias = true
	return v
}

// CLIPB32 returns OpenAI's CLIP ViT-B/32, vision: 512 numbers.
func CLIPB32() ViT { return clip(base("clip-b32", 32), nn.QuickGELU, 512) }

// CLIPB16 returns OpenAI's CLIP ViT-B/16, vision: 512 numbers.
func CLIPB16() ViT { return clip(base("clip-b16", 16), nn.QuickGELU, 512) }

// CLIPL14 returns OpenAI's CLIP ViT-L/14, vision: 768 numbers.
func CLIPL14() ViT { return clip(large("clip-l14", 224), nn.QuickGELU, 768) }

// CLIPL14At336 returns OpenAI's CLIP ViT-L/14 for 336 pixels, vision: 768 numbers.
func CLIPL14At336() ViT { return clip(large("clip-l14-336", 336), nn.QuickGELU, 768) }

// OpenCLIPB32 returns LAION's CLIP ViT-B/32 trained on laion2b, vision: 512 numbers.
func OpenCLIPB32() ViT { return clip(base("openclip-b32", 32), nn.GELU, 512) }

// OpenCLIPB16 returns LAION's CLIP ViT-B/16 trained on laion2b, vision: 512 numbers.
func OpenCLIPB16() ViT { return clip(base("openclip-b16", 16), nn.GELU, 512) }

// OpenCLIPL14 returns LAION's CLIP ViT-L/14 trained on laion2b, vision: 768 numbers.
func OpenCLIPL14() ViT { return clip(large("openclip-l14", 224), nn.GELU, 768) }

// OpenCLIPH14 returns LAION's CLIP ViT-H/14 trained on laion2b, vision, which
// PickScore and HPS are fine-tuned from: 1024 numbers.
func OpenCLIPH14() ViT { return clip(huge("openclip-h14"), nn.GELU, 1024) }

// DINOB16 returns DINO ViT-B/16: 768 numbers.
func DINOB16() ViT { return dino(base("dino-b16", 16)) }

// DINOv2B14 returns DINOv2 ViT-B/14 without registers: 768 numbers. Its
// checkpoint holds positions for pictures of 518 pixels, which are interpolated
// to those of 224.
func DINOv2B14() ViT {
	v := dino(base("dinov2-b14", 14))
	v.LayerScale, v.Grid = true, 37
	return v
}

// SynCLRB16 returns SynCLR ViT-B/16: 768 numbers.
func SynCLRB16() ViT { return dino(base("synclr-b16", 16)) }

// DreamSimCLIPB16 returns the tower that DreamSim fine-tunes from OpenAI's CLIP
// ViT-B/16: 512 numbers.
func DreamSimCLIPB16() ViT { return dreamSim(base("dreamsim-clip-b16", 16), nn.QuickGELU) }

// DreamSimCLIPB32 returns the tower that DreamSim fine-tunes from OpenAI's CLIP
// ViT-B/32: 512 numbers.
func DreamSimCLIPB32() ViT { return dreamSim(base("dreamsim-clip-b32", 32), nn.QuickGELU) }

// DreamSimOpenCLIPB16 returns the tower that DreamSim fine-tunes from OpenCLIP's
// ViT-B/16: 512 numbers.
func DreamSimOpenCLIPB16() ViT { return dreamSim(base("dreamsim-openclip-b16", 16), nn.GELU) }

// DreamSimOpenCLIPB32 returns the tower that DreamSim fine-tunes from OpenCLIP's
// ViT-B/32: 512 numbers. Its weights were first trained with QuickGELU; DreamSim
// left that out and fine-tuned without, so GELU is what they want now.
func DreamSimOpenCLIPB32() ViT { return dreamSim(base("dreamsim-openclip-b32", 32), nn.GELU) }

// Patches returns v with every token as its feature, raw, instead of one: what
// the patch variants of DreamSim compare. It is for towers without a projection.
func (v ViT) Patches() ViT {
	v.Name, v.Pool = v.Name+"-tokens", TokensRaw
	return v
}

// ViTs returns every vision row, in the order of their families.
func ViTs() []ViT {
	return []ViT{
		CLIPB32(), CLIPB16(), CLIPL14(), CLIPL14At336(),
		OpenCLIPB32(), OpenCLIPB16(), OpenCLIPL14(), OpenCLIPH14(),
		DINOB16(), DINOB16().Patches(), DINOv2B14(), DINOv2B14().Patches(), SynCLRB16(),
		DreamSimCLIPB16(), DreamSimCLIPB32(), DreamSimOpenCLIPB16(), DreamSimOpenCLIPB32(),
		BLIPL16(),
	}
}

// ViTNamed returns the vision row with the given name.
func ViTNamed(name string) (ViT, bool) {
	for _, v := range ViTs() {
		if v.Name == name {
			return v, true
		}
	}
	return ViT{}, false
}

// clipText is a text tower of CLIP; heads are 64 wide and the feature is as long
// as a token.
func clipText(name string, width, layers int, a nn.Activation) Text {
	return Text{Name: name, Context: 77, Vocabulary: 49408, Width: width, Layers: layers, Heads: width / 64,
		MLP: 4 * width, Activation: a, Eps: clipEps, Projection: width}
}

// CLIPTextB returns the text tower of OpenAI's CLIP ViT-B/32 and ViT-B/16: 512 numbers.
func CLIPTextB() Text { return clipText("clip-text-b", 512, 12, nn.QuickGELU) }

// CLIPTextL returns the text tower of OpenAI's CLIP ViT-L/14, both sizes: 768 numbers.
func CLIPTextL() Text { return clipText("clip-text-l", 768, 12, nn.QuickGELU) }

// OpenCLIPTextB returns the text tower of LAION's CLIP ViT-B/32 and ViT-B/16: 512 numbers.
func OpenCLIPTextB() Text { return clipText("openclip-text-b", 512, 12, nn.GELU) }

// OpenCLIPTextL returns the text tower of LAION's CLIP ViT-L/14: 768 numbers.
func OpenCLIPTextL() Text { return clipText("openclip-text-l", 768, 12, nn.GELU) }

// OpenCLIPTextH returns the text tower of LAION's CLIP ViT-H/14: 1024 numbers.
func OpenCLIPTextH() Text { return clipText("openclip-text-h", 1024, 24, nn.GELU) }

// Texts returns every text row.
func Texts() []Text {
	return []Text{CLIPTextB(), CLIPTextL(), OpenCLIPTextB(), OpenCLIPTextL(), OpenCLIPTextH()}
}

// TextNamed returns the text row with the given name.
func TextNamed(name string) (Text, bool) {
	for _, t := range Texts() {
		if t.Name == name {
			return t, true
		}
	}
	return Text{}, false
}
