package series

import "testing"

func TestVariantsPerImage(t *testing.T) {
	if n := len(variants()); n != VariantsPerImage {
		t.Errorf("%d variants, VariantsPerImage says %d", n, VariantsPerImage)
	}
}
