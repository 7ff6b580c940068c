package taste

import "testing"

// BenchmarkLearn times a reward with its trial.
func BenchmarkLearn(b *testing.B) {
	for _, c := range []struct {
		name   string
		n, own int
		others int
	}{{"alone100", 120, 100, 0}, {"alone200", 120, 200, 0}, {"others", 120, 100, 5}} {
		b.Run(c.name, func(b *testing.B) {
			w := newWorld(1, c.n)
			votes := w.votes(w.taste(1.5), 0, c.own, 0.3)
			for r := range c.others {
				votes = append(votes, w.votes(w.taste(1.5), r+1, 200, 0.3)...)
			}
			for b.Loop() {
				if _, err := Learn(b.Context(), Data{Items: w.items, Votes: votes}, 0, Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
