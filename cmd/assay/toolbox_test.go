package main

import (
	"os"
	"testing"
	"time"
)

// An installation that failed is not tried again by every command, but is again
// after a while.
func TestTriedLately(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	if triedLately() {
		t.Fatal("nothing was tried yet")
	}
	rememberTry()
	if !triedLately() {
		t.Error("a try just now is not remembered")
	}
	mark, err := tryMark()
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-retryAfter - time.Minute)
	if err := os.Chtimes(mark, old, old); err != nil {
		t.Fatal(err)
	}
	if triedLately() {
		t.Error("a try of yesterday keeps the next one from happening")
	}
}
