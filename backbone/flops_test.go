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
