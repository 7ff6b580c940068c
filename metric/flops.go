package metric

// Flops returns how many floating-point operations the vision networks that in
// stands on take for one picture, a multiplication and an addition counted as
// two: products of matrices only, which are all but a percent or two. It is 0 for
// an instrument without towers.
func (in *Instrument) Flops() float64 {
	total := 0.0
	for _, t := range in.towers {
		total += t.row.network().Flops()
	}
	return total
}
