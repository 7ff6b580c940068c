package backbone

import (
	"math"
	"testing"
)

// torchvision's table of models gives SqueezeNet 1.1 0.35 GFLOPs (multiply-adds)
// at 224×224, of which the classifier's 1×1 convolution over 13×13 positions is
// 512·1000·169.
func TestSqueezeNetFlops(t *testing.T) {
	withClassifier := SqueezeNet11Flops(224, 224)/2 + 512*1000*169
	if got := math.Round(withClassifier/1e7) / 100; got != 0.35 {
		t.Errorf("SqueezeNet 1.1 at 224×224: %.4f GMAC with its classifier, torchvision says 0.35", withClassifier/1e9)
	}
}

// The usual figures for ViT-B/16 and ViT-L/14 count every token of every
// block: 35.1 and 162.0 GFLOP. What the last block leaves out is about three
// quarters of one.
func TestTowerFlops(t *testing.T) {
	for _, c := range []struct {
		v    ViT
		full float64 // GFLOP
	}{{CLIPB16(), 35.1}, {CLIPL14(), 162.0}} {
		all := c.v
		all.Pool, all.Projection = TokensRaw, 0
		if got := all.Flops() / 1e9; math.Abs(got-c.full) > 0.05 {
			t.Errorf("%s, all tokens: %.2f GFLOP, want %.1f", c.v.Name, got, c.full)
		}
		saved := (all.Flops() - c.v.Flops()) / all.Flops() * float64(c.v.Layers)
		if saved < 0.7 || saved > 0.8 {
			t.Errorf("%s: the last block saves %.2f of itself", c.v.Name, saved)
		}
	}
	// The linear layers of a block have 12 weights for every pair of components of
	// a token, and each takes part once for every token.
	x := CLIPTextB()
	x.Layers++ // so that the twelve that count are whole
	whole := x.Flops(77) - stackFlops(77, 1, x.Width, x.MLP, 1)
	attention := 4 * 77 * 77 * float64(x.Width) * 12
	want := 12 * 2 * 77 * float64(12*x.Width*x.Width)
	if got := whole - attention - 2*float64(x.Width*x.Projection); math.Abs(got/want-1) > 1e-12 {
		t.Errorf("text: %.4f GFLOP in twelve blocks, want %.4f", got/1e9, want/1e9)
	}
}
