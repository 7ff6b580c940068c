package gemm

// points is how many numbers Winograd's convolution makes of a patch of 4×4
// positions, whose 2×2 windows it computes together with 16 products where a sum
// over each window takes 36: F(2×2, 3×3) of Lavin and Gray, arXiv:1509.09308.
//
// With B, G and A from there, the patch becomes Bᵀ·d·B, the weights G·g·Gᵀ, and the
// sums M of their products over the channels, each a chain that begins with 0,
// become Aᵀ·M·A. Every sum in between is rounded by itself: columns first on the
// way in and on the way out, from the first term on. The bias comes last.
const (
	points = patch * patch
	patch  = 4
	pair   = 2 // windows of a patch down and right
)

// WinogradShape returns the shape of what [PackWinograd] gives: [panels, 16, in, Panel].
func WinogradShape(out, in int) []int { return []int{(out + Panel - 1) / Panel, points, in, Panel} }

// PackWinograd returns the weight w [out, in, 3, 3] as [Convolution.Winograd] wants
// it: transformed in double precision and rounded once; element [p, k, i, c] is point
// k of output p·Panel+c and input i, and 0 where there is no such output.
func PackWinograd(w []float32, out, in int) []float32 {
	packed := make([]float32, (out+Panel-1)/Panel*points*in*Panel)
	for o := range out {
		for i := range in {
			u := winogradWeight(w[(o*in+i)*area:][:area])
			for k, v := range u {
				packed[((o/Panel*points+k)*in+i)*Panel+o%Panel] = float32(v)
			}
		}
	}
	return packed
}

// winogradWeight returns G·g·Gᵀ.
func winogradWeight(g []float32) (u [points]float64) {
	half := func(a, b, c float64) [patch]float64 {
		return [patch]float64{a, (a + b + c) / 2, (a - b + c) / 2, c}
	}
	var rows [patch][window]float64 // G·g
	for j := range window {
		column := half(float64(g[j]), float64(g[window+j]), float64(g[2*window+j]))
		for i, v := range column {
			rows[i][j] = v
		}
	}
	for i, r := range rows {
		row := half(r[0], r[1], r[2])
		copy(u[i*patch:], row[:])
	}
	return u
}
