package stat

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/lapack/gonum"

	"github.com/gen-emerge/assay"
)

// reflectBlock is how many reflections are gathered before what is left of a
// matrix is updated.
const reflectBlock = 32

// A reduction is a matrix of which some columns and rows have been reflected
// away: what is left is a − Σ left_lᵀ·right_l, until it is brought up to date.
// Vectors are padded with zeros to a multiple of 8, as the kernel wants them.
type reduction struct {
	kn          kernel
	a           []float64 // m × n, row-major
	m, n        int
	lda         int // at least n, a multiple of 8; what is past n is 0
	left, right []float64
	lm, ln      int       // padded lengths of the vectors in left and right
	coef        []float64 // room for one number a vector
}

func newReduction(kn kernel, a []float64, m, n, lda int) *reduction {
	lm, ln := (m+7)&^7, (n+7)&^7
	return &reduction{kn, a, m, n, lda, make([]float64, 2*reflectBlock*lm), make([]float64, 2*reflectBlock*ln), lm, ln, make([]float64, reflectBlock)}
}

// padded copies the m × n matrix a into rows of a multiple of 8.
func padded(a []float64, m, n int) ([]float64, int) {
	lda := (n + 7) &^ 7
	out := make([]float64, m*lda)
	for i := range m {
		copy(out[i*lda:], a[i*n:(i+1)*n])
	}
	return out, lda
}

// leftAt and rightAt return vector l of the first or second half.
func (r *reduction) leftAt(half, l int) []float64 {
	return r.left[(half*reflectBlock+l)*r.lm:][:r.lm]
}

func (r *reduction) rightAt(half, l int) []float64 {
	return r.right[(half*reflectBlock+l)*r.ln:][:r.ln]
}

// less takes from y, from place from on, the first k vectors of a half of vecs,
// weighted.
func (r *reduction) less(y []float64, from int, vecs []float64, half, k int, weight func(l int) float64) {
	stride := len(vecs) / (2 * reflectBlock)
	for l := range k {
		r.coef[l] = -weight(l)
	}
	from &^= 7
	r.kn.addRows(k, vecs[half*reflectBlock*stride+from:], stride, r.coef, y[from:])
}

// lessAlong takes from y the first k vectors of a half of vecs, each as often as
// its partner of the same half of along lies along v.
func (r *reduction) lessAlong(y []float64, yFrom int, vecs []float64, v []float64, vFrom int, along []float64, alongHalf, half, k int) {
	stride := len(along) / (2 * reflectBlock)
	vFrom &^= 7
	t := make([]float64, k)
	r.kn.dotRows(k, along[alongHalf*reflectBlock*stride+vFrom:], stride, v[vFrom:], t)
	r.less(y, yFrom, vecs, half, k, func(l int) float64 { return t[l] })
}

// update brings rows and columns from at on up to date and forgets the vectors.
func (r *reduction) update(at int) {
	if at < r.m && at < r.n {
		r.kn.lessOuter(r.a[at*r.lda+at:], r.lda, r.m-at, r.n-at, r.left[at:], r.lm, r.right[at:], r.ln, 2*reflectBlock)
	}
	clear(r.left)
	clear(r.right)
}

// lessOuter takes Σ_l left[l*ldl+i]·right[l*ldr+j], k terms, from c[i*ldc+j].
func (kn kernel) lessOuter(c []float64, ldc, rows, cols int, left []float64, ldl int, right []float64, ldr, k int) {
	a, b := kn.panel(0, rows, k), kn.panel(1, cols, k)
	neg := make([]float64, rows)
	for l := range k {
		for i, v := range left[l*ldl:][:rows] {
			neg[i] = -v
		}
		a.put(l, 0, neg)
		b.put(l, 0, right[l*ldr:][:cols])
	}
	ti, tj := tilesOf(rows), tilesOf(cols)
	kn.parallel(ti*tj, func(_, at int) {
		i, j := at/tj*tileEdge, at%tj*tileEdge
		kn.mulTile(a, b, i, min(rows, i+tileEdge), j, min(cols, j+tileEdge), c[i*ldc+j:], ldc)
	})
}

// reflector makes of v[at:], in place, the vector of the reflection H = 1 − tau·vvᵀ
// that leaves beta at place at and zeros after it (LAPACK's dlarfg); what is
// before at becomes zero, and v[at] one.
func (kn kernel) reflector(v []float64, at int) (beta, tau float64) {
	clear(v[:at])
	alpha := v[at]
	v[at] = 0
	var sq [1]float64
	kn.dotRows(1, v[at&^7:], 0, v[at&^7:], sq[:])
	beta = alpha
	if sq[0] != 0 {
		beta = -math.Copysign(math.Sqrt(math.FMA(alpha, alpha, sq[0])), alpha)
		tau = (beta - alpha) / beta
		scale := 1 / (alpha - beta)
		for i := at + 1; i < len(v); i++ {
			v[i] *= scale
		}
	}
	v[at] = 1
	return beta, tau
}

func scale(v []float64, by float64) {
	for i := range v {
		v[i] *= by
	}
}

// singularValues returns the n singular values of the m × n matrix a, m >= n, in
// falling order, and destroys a: Golub and Kahan's bidiagonal form, in blocks
// (Dongarra, Sorensen and Hammarling 1989), then LAPACK's dqds, which loses no
// digits. Each is within about 2⁻⁵² of the largest.
func singularValues(ctx context.Context, kn kernel, a []float64, m, n, lda int) ([]float64, error) {
	r := newReduction(kn, a, m, n, lda)
	d, e := make([]float64, n), make([]float64, n)
	for c := range n {
		if c%reflectBlock == 0 {
			if err := stopped(ctx); err != nil {
				return nil, err
			}
			r.update(c)
		}
		d[c], e[c] = r.bidiagonal(c, c%reflectBlock)
	}
	if err := r.checkFinite(d, e); err != nil {
		return nil, err
	}
	if info := (gonum.Implementation{}).Dlasq1(n, d, e, make([]float64, 4*n)); info != 0 {
		return nil, fmt.Errorf("singular values of a %d × %d matrix did not settle: %w", m, n, assay.ErrInvalid)
	}
	return d, nil
}

// checkFinite refuses a matrix so large that its squares are not finite.
func (r *reduction) checkFinite(d, e []float64) error {
	for i := range d {
		if d[i]-d[i] != 0 || e[i]-e[i] != 0 {
			return fmt.Errorf("a %d × %d matrix is too large for its spectrum: its squares are beyond float64: %w", r.m, r.n, assay.ErrInvalid)
		}
	}
	return nil
}

// bidiagonal reflects column c and then row c away, i steps after the last
// update. With v, u the reflections' vectors, left holds v and x, right y and u,
// and what is left of the matrix is a − Σ v_lᵀy_l − Σ x_lᵀu_l.
func (r *reduction) bidiagonal(c, i int) (d, e float64) {
	v, x := r.leftAt(0, i), r.leftAt(1, i)
	y, u := r.rightAt(0, i), r.rightAt(1, i)
	for row := c; row < r.m; row++ {
		v[row] = r.a[row*r.lda+c]
	}
	r.less(v, c, r.left, 0, i, func(l int) float64 { return r.rightAt(0, l)[c] })
	r.less(v, c, r.left, 1, i, func(l int) float64 { return r.rightAt(1, l)[c] })
	d, tau := r.kn.reflector(v, c)
	if c == r.n-1 {
		return d, 0
	}
	next := c + 1
	r.kn.addRowsAll(r.m-c, r.a[c*r.lda+next&^7:], r.lda, v[c:], y[next&^7:])
	r.lessAlong(y, next, r.right, v, c, r.left, 0, 0, i)
	r.lessAlong(y, next, r.right, v, c, r.left, 1, 1, i)
	scale(y, tau)
	clear(y[:next])

	copy(u[next:r.n], r.a[c*r.lda+next:])
	r.less(u, next, r.right, 0, i+1, func(l int) float64 { return r.leftAt(0, l)[c] })
	r.less(u, next, r.right, 1, i, func(l int) float64 { return r.leftAt(1, l)[c] })
	e, tau = r.kn.reflector(u, next)
	r.kn.dotRowsAll(r.m-next, r.a[next*r.lda+next&^7:], r.lda, u[next&^7:], x[next:])
	r.lessAlong(x, next, r.left, u, next, r.right, 0, 0, i+1)
	r.lessAlong(x, next, r.left, u, next, r.right, 1, 1, i)
	scale(x, tau)
	clear(x[:next])
	return d, e
}

// eigenvalues returns the eigenvalues of the symmetric n × n matrix a in rising
// order and destroys a: Householder's tridiagonal form, in blocks, then LAPACK's
// root-free QR.
func eigenvalues(ctx context.Context, kn kernel, a []float64, n, lda int) ([]float64, error) {
	r := newReduction(kn, a, n, n, lda)
	d, e := make([]float64, n), make([]float64, n)
	for c := range n {
		if c%reflectBlock == 0 {
			if err := stopped(ctx); err != nil {
				return nil, err
			}
			r.update(c)
		}
		d[c], e[c] = r.tridiagonal(c, c%reflectBlock)
	}
	if err := r.checkFinite(d, e); err != nil {
		return nil, err
	}
	if ok := (gonum.Implementation{}).Dsterf(n, d, e[:max(0, n-1)]); !ok {
		return nil, fmt.Errorf("eigenvalues of a %d × %d matrix did not settle: %w", n, n, assay.ErrInvalid)
	}
	return d, nil
}

// tridiagonal reflects column and row c away, i steps after the last update. With
// v the reflection's vector, left holds v and w, right w and v, and what is left
// of the matrix is a − Σ v_lᵀw_l − Σ w_lᵀv_l.
func (r *reduction) tridiagonal(c, i int) (d, e float64) {
	v, w := r.leftAt(0, i), r.leftAt(1, i)
	copy(v[c:r.n], r.a[c*r.lda+c:])
	r.less(v, c, r.left, 0, i, func(l int) float64 { return r.rightAt(0, l)[c] })
	r.less(v, c, r.left, 1, i, func(l int) float64 { return r.rightAt(1, l)[c] })
	d = v[c]
	if c == r.n-1 {
		return d, 0
	}
	next := c + 1
	e, tau := r.kn.reflector(v, next)
	r.kn.dotRowsAll(r.n-next, r.a[next*r.lda+next&^7:], r.lda, v[next&^7:], w[next:])
	r.lessAlong(w, next, r.left, v, next, r.right, 0, 0, i)
	r.lessAlong(w, next, r.left, v, next, r.right, 1, 1, i)
	scale(w, tau)
	clear(w[:next])
	var along [1]float64
	r.kn.dotRows(1, w[next&^7:], 0, v[next&^7:], along[:])
	half := -0.5 * tau * along[0]
	for j := next; j < r.n; j++ {
		w[j] = math.FMA(half, v[j], w[j])
	}
	copy(r.rightAt(0, i), w)
	copy(r.rightAt(1, i), v)
	return d, e
}
