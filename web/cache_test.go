package web

import (
	"testing"

	"github.com/gen-emerge/assay"
)

func TestCacheIsBounded(t *testing.T) {
	c := newCache(100)
	id := func(n byte) assay.Digest { return assay.Digest{n} }
	for n := range byte(10) {
		c.put(&rendered{id: id(n), data: make([]byte, 30)})
		c.get(id(0)) // asked for all the time
		if c.size > 100 || c.size != 30*len(c.have) || c.order.Len() != len(c.have) {
			t.Fatalf("after %d: %d bytes, %d pictures, %d in order", n, c.size, len(c.have), c.order.Len())
		}
	}
	for n, want := range map[byte]bool{0: true, 9: true, 8: true, 7: false, 1: false} {
		if _, ok := c.get(id(n)); ok != want {
			t.Errorf("picture %d kept: %v, want %v", n, ok, want)
		}
	}
	c.put(&rendered{id: id(0), data: make([]byte, 30)})
	if c.size != 90 {
		t.Errorf("put twice: %d bytes, want 90", c.size)
	}
	c.put(&rendered{id: id(20), data: make([]byte, 1000)})
	if c.size > 100 {
		t.Errorf("a picture larger than the cache is kept: %d bytes", c.size)
	}
}

func TestNum(t *testing.T) {
	for _, c := range []struct {
		x    float64
		want string
	}{
		{0, "0"}, {-12.34567, "−12.35"}, {0.1 + 0.2, "0.3"}, {12345.6, "12346"}, {1e-5, "1.000e−05"}, {-1e9, "−1.000e+09"}, {0.00012345, "0.0001234"},
	} {
		if got := num(c.x); got != c.want {
			t.Errorf("num(%v) = %q, want %q", c.x, got, c.want)
		}
	}
}

func TestClip(t *testing.T) {
	for _, c := range []struct {
		text, want string
		n          int
	}{{"short", "short", 5}, {"longer", "long…", 5}, {"ünïcödé", "ün…", 3}, {"", "", 3}} {
		if got := clip(c.text, c.n); got != c.want {
			t.Errorf("clip(%q, %d) = %q, want %q", c.text, c.n, got, c.want)
		}
	}
}
