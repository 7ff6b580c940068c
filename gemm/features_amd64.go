package gemm

//go:noescape
func squares256(acc, x *float32, vectors int)

//go:noescape
func apart256(acc, a, b, p, q *float32, w float32, vectors int)

// narrow is how many numbers the kernels of this file take at a time.
const narrow = 8

// squares adds the squares of x to acc. AVX2 will do: memory is what it waits for.
func (*kernel) squares(acc, x []float32) {
	n := len(acc) / narrow
	if n > 0 {
		squares256(&acc[0], &x[0], n)
	}
	squaresOf(acc[n*narrow:], x[n*narrow:])
}

// apart adds w·(f·p − g·q)² to acc.
func (*kernel) apart(acc, f, g, p, q []float32, w float32) {
	n := len(acc) / narrow
	if n > 0 {
		apart256(&acc[0], &f[0], &g[0], &p[0], &q[0], w, n)
	}
	n *= narrow
	apartOf(acc[n:], f[n:], g[n:], p[n:], q[n:], w)
}

//go:noescape
func rows256(y, a, b, weight *float32, n, channels int, eps float32)

// rowDistances computes the distances of positions whose channels lie beside each other.
func (*kernel) rowDistances(u UnitDistance, y, f, g []float32) {
	if len(y) > 0 {
		rows256(&y[0], &f[0], &g[0], &u.Weight[0], len(y), len(u.Weight), u.Eps)
	}
}
