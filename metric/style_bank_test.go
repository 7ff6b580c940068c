package metric

import "testing"

// TestCaptionsKept: the next process finds what the captions read as, and reads
// the same number; another runtime reads them for itself.
func TestCaptionsKept(t *testing.T) {
	models := tinyCache(t, "tiny")
	spec, _ := tinyStyles()
	measure := func(opt TowerOptions) (value float64, texts int64) {
		t.Helper()
		e := &countingEngine{t: t}
		towers := NewTowers(models, e, opt)
		in := towers.mustOpen(t, spec)
		defer towers.Close()
		defer in.Close()
		r, err := in.Measure(t.Context(), tinyPicture())
		if err != nil {
			t.Fatal(err)
		}
		return r.Value, e.textRuns.Load()
	}
	first, read := measure(TowerOptions{})
	if read == 0 {
		t.Fatal("no caption was read")
	}
	again, reread := measure(TowerOptions{})
	if again != first || reread != 0 {
		t.Errorf("%v after %v; %d captions were read again", again, first, reread)
	}
	if _, other := measure(TowerOptions{Precision: "int8"}); other != read {
		t.Errorf("int8 read %d captions, want %d", other, read)
	}
}
