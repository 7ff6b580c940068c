package vlm

import (
	"math/rand/v2"
	"testing"
	"time"
)

// A server that refuses one call in ten whatever their pace does not slow them to a
// crawl. (One that refuses one in five does; the slowest pace bounds it.)
func TestRefusalsAtAnyPace(t *testing.T) {
	for _, share := range []float64{0.02, 0.05, 0.1} {
		var l learned
		lot := rand.New(rand.NewPCG(1, uint64(100*share)))
		now, begun := time.Unix(0, 0), time.Unix(0, 0)
		const calls, wire = 2000, 20 * time.Millisecond // one call after the other
		for range calls {
			wait := wire
			if l.bucket != nil {
				wait = max(wait, time.Duration(float64(time.Second)/l.bucket.rate))
			}
			now = now.Add(wait)
			if lot.Float64() < share {
				l.refused(now)
			} else {
				l.served(now)
			}
		}
		took, ideal := now.Sub(begun), calls*wire
		t.Logf("%.0f %% refused: %s for %s", 100*share, took.Round(time.Second), ideal)
		if took > 2*ideal {
			t.Errorf("%.0f %% refused at any pace: took %s, the wire alone %s", 100*share, took, ideal)
		}
	}
}
