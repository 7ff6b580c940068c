package stat

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/gen-emerge/assay"
)

// A Look is a moment at which a growing series is judged. Which moments those
// are depends on nothing but how long the series is, so that nobody can look
// until something shows.
type Look struct {
	Number int     // from 1
	Things int     // that the series has then
	Window int     // length of the first and the last window that are compared
	Alpha  float64 // what this look may spend of the error rate
}

// Looks returns the looks that a series of n things has had. The first is at
// window things, comparing halves; the second at twice as many, comparing whole
// windows; then one whenever a window, or a quarter of the length, whichever is
// more, has been added. Windows are of whole batches. Look k may raise a false
// alarm with probability alpha/(k(k+1)), and these add up to alpha over all
// looks that will ever be: so the error rate holds for the whole life of the
// series however often somebody looks. A window of fewer than two times three
// batches, or an alpha outside (0, 1), is an error wrapping [assay.ErrInvalid].
func Looks(n, window, batch int, alpha float64) ([]Look, error) {
	batch = max(batch, 1)
	whole := func(x int) int { return x / batch * batch }
	if window = whole(window); window < 6*batch {
		return nil, fmt.Errorf("looks with windows of %d in batches of %d: windows must hold at least 6 batches: %w", window, batch, assay.ErrInvalid)
	}
	if err := checkOpen("looks", "error rate", alpha); err != nil {
		return nil, err
	}
	var out []Look
	for at, k := window, 1; at <= n; k++ {
		out = append(out, Look{Number: k, Things: at, Window: min(window, whole(at/2)), Alpha: alpha / float64(k*(k+1))})
		at += max(window, whole(at/4))
	}
	return out, nil
}

// NextLook returns how many things a series of n things has at its next look;
// window and batch are as in [Looks].
func NextLook(n, window, batch int) int {
	batch = max(batch, 1)
	window = max(1, window/batch) * batch
	at := window
	for at <= n {
		at += max(window, at/4/batch*batch)
	}
	return at
}

// Holm returns p-values adjusted for being several (Holm 1979): to reject those
// whose adjusted value is at most alpha errs once or more with probability at
// most alpha, whatever their dependence. The order is that of p.
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	out := make([]float64, len(p))
	most := 0.0
	for rank, i := range order {
		most = max(most, min(1, p[i]*float64(len(p)-rank)))
		out[i] = most
	}
	return out
}
