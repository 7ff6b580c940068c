package taste

import "testing"

// RaceEnabled says that the race detector is on.
const RaceEnabled = raceEnabled

// FirstComponents returns the items' coordinates on the first principal
// components of their embeddings: what a map starts at.
func FirstComponents(t *testing.T, d Likenesses, k int) [][]float64 {
	t.Helper()
	l, err := newLikening(d, AxesOptions{Axes: k, Components: k}, false)
	if err != nil {
		t.Fatal(err)
	}
	out := make([][]float64, len(l.z))
	for i, z := range l.z {
		for c, v := range z {
			out[i] = append(out[i], v*l.root[c])
		}
	}
	return out
}
