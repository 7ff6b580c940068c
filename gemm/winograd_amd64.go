package gemm

import "unsafe"

// A wino is a row of patches for one of the transforms. Distances are in bytes.
type wino struct {
	x     unsafe.Pointer // the first patch
	row   int            // from a position to the one below
	pixel int            // to the one at the right; of results, from a patch to the next
	v     unsafe.Pointer // the points of the first patch
	vRow  int            // from a patch to the next
	point int            // from a point to the next

	y    [pair * pair]unsafe.Pointer // results of the first patch
	bias unsafe.Pointer
	most float32

	channels int // groups of them that fit a register
	count    int // of patches
}

//go:noescape
func seen512(w *wino)

//go:noescape
func seen256(w *wino)

//go:noescape
func given512(w *wino)

//go:noescape
func given256(w *wino)

// groups is how many registers hold so many channels.
func (mc *kernel) groups(channels int) int {
	if mc.wide {
		return channels / Lanes
	}
	return channels / (Lanes / 2)
}

func (mc *kernel) seen(w *wino) {
	if mc.wide {
		seen512(w)
	} else {
		seen256(w)
	}
}

func (mc *kernel) given(w *wino) {
	if mc.wide {
		given512(w)
	} else {
		given256(w)
	}
}

// Patches that are taken together: their points stay in the second cache.
const (
	patchesMost  = 70
	patchNumbers = 256 << 10
)

// A winograd is what a block of patches is computed in.
type winograd struct {
	Convolution
	view   view
	pixel  int       // of the view
	row    int       // of the view
	stride int       // from a patch's point to the next patch's
	points []float32 // [points, patches, In], padded
	sums   []float32 // [points, patches, Panel]
	zeros  []float32 // [Panel]
	beside []float32 // [Panel]: results that nobody wants
}

// winograd computes the rows of patches from first to last, which is not among them,
// into y, the whole result.
func (mc *kernel) winograd(c Convolution, y, x []float32, first, last int) {
	g := c.Seen()
	k := winograd{Convolution: c, pixel: c.In + spread(c.In), stride: c.In + spread(c.In)}
	k.row = (g.Width + patch) * k.pixel
	across := parts(g.Width, pair)
	most := min(max(patchNumbers/(points*c.In), mc.rows), patchesMost)
	patches := parts(across, parts(across, most))
	memory := pictures.Get().(*[]float32)
	defer pictures.Put(memory)
	need := patch*k.row + points*patches*(k.stride+Panel) + 2*Panel
	block := picture(memory, need)
	take := func(n int) []float32 {
		part := block[:n:n]
		block = block[n:]
		return part
	}
	k.zeros, k.beside, k.view.x = take(Panel), take(Panel), take(patch*k.row)
	k.points, k.sums = take(points*patches*k.stride), take(points*patches*Panel)
	clear(k.zeros)
	for r := first; r < last; r++ {
		k.view.look(c, x, pair*r-g.Before, patch, k.pixel, k.row)
		for i := range parts(across, patches) {
			p0, p1 := part(across, patches, i)
			mc.block(&k, y, r, p0, p1)
		}
	}
}

// block computes the patches of row r from p0 to p1, which is not among them.
func (mc *kernel) block(k *winograd, y []float32, r, p0, p1 int) {
	n := p1 - p0
	mc.seen(&wino{x: unsafe.Pointer(&k.view.x[pair*p0*k.pixel]), row: k.row * size, pixel: k.pixel * size,
		v: unsafe.Pointer(&k.points[0]), vRow: k.stride * size, point: n * k.stride * size, channels: mc.groups(k.In), count: n})
	for p := range parts(k.Out, Panel) {
		for i := range points {
			pr := product{rows: n, k: k.In, out: Panel, x: k.points[i*n*k.stride:], xRow: k.stride,
				w: k.Weight[(p*points+i)*k.In*Panel:], depth: k.In, bias: k.zeros, y: k.sums[i*n*Panel:], yRow: Panel}
			mc.panel(&pr, 0)
		}
		mc.results(k, y, r, p0, n, p)
	}
}

// results makes what the patches give of the sums for panel p.
func (mc *kernel) results(k *winograd, y []float32, r, p0, n, p int) {
	h, w := k.Seen().Result()
	from := p * Panel
	channels := min(Panel, k.Out-from)
	t := wino{pixel: pair * k.Out * size, v: unsafe.Pointer(&k.sums[0]), vRow: Panel * size, point: n * Panel * size,
		bias: unsafe.Pointer(&k.Bias[from]), most: k.Most, channels: mc.groups(channels)}
	place := func(p int) {
		for i := range t.y {
			row, column := pair*r+i/pair, pair*p+i%pair
			t.y[i] = unsafe.Pointer(&k.beside[0])
			if row < h && column < w {
				t.y[i] = unsafe.Pointer(&y[(row*w+column)*k.Out+from])
			}
		}
	}
	whole := n
	if pair*(p0+n) > w {
		whole--
	}
	if pair*r+1 >= h { // the lower half has no place
		for i := range n {
			place(p0 + i)
			t.v, t.count = unsafe.Pointer(&k.sums[i*Panel]), 1
			mc.given(&t)
		}
		return
	}
	if whole > 0 {
		place(p0)
		t.count = whole
		mc.given(&t)
	}
	if whole < n {
		place(p0 + whole)
		t.v, t.count = unsafe.Pointer(&k.sums[whole*Panel]), 1
		mc.given(&t)
	}
}
