package gemm

import "sync"

const (
	// light is how many weights a step has at most that is taken together with the
	// one before it: all of them must stay in the second cache.
	light = 1 << 16
	// stripWindows are computed at once where steps are taken together: enough to use
	// weights for, few enough to stay in the cache until the next step has seen them.
	stripWindows = 112
)

// strip is how many rows are computed at once.
func strip(w, windows int) int { return max(windows/w, 1) }

// pictures keeps what lies between steps that are not taken together.
var pictures = sync.Pool{New: func() any { return new([]float32) }}

// picture is memory of n numbers, which have any values.
func picture(p *[]float32, n int) []float32 {
	if cap(*p) < n {
		*p = make([]float32, n)
	}
	return (*p)[:n]
}

// chain computes y from x.
func (mc *kernel) chain(c Chain, y, x []float32, threads int) {
	var between [2]*[]float32
	for i := range between {
		between[i] = pictures.Get().(*[]float32)
		defer pictures.Put(between[i])
	}
	seen, turn := band{data: x}, 0
	for begin := -1; begin < len(c.Steps); {
		end := begin + 1 // of the steps that are taken together, which may begin with the first
		for end < len(c.Steps) && len(c.Steps[end].Weight) <= light && len(c.at(end-1).Weight) <= light {
			end++
		}
		last := c.at(end - 1)
		h, w := last.Result()
		out := y
		if end < len(c.Steps) {
			out = picture(between[turn], h*w*last.Out)
			turn = 1 - turn
		}
		shared(h, threads, func(r0, r1 int) { mc.together(c, begin, end, out[r0*w*last.Out:], seen, r0, r1) })
		seen = band{data: out, row: w * last.Out, held: h}
		begin = end
	}
}

// at returns a step's grid and second half; −1 is the first convolution.
func (c Chain) at(step int) Separable {
	if step < 0 {
		f := c.First
		return Separable{Grid: f.Grid, In: f.In, Out: f.Out, Weight: f.Weight}
	}
	return c.Steps[step]
}

// A pipe computes the rows of several steps, each when the next one needs them.
type pipe struct {
	mc     *kernel
	chain  Chain
	begin  int    // the first of the steps
	x      band   // what it sees
	levels []band // what each gives; they hold the last rows only
	next   []int  // the row that each computes next
	strip  int    // windows
}

// together computes the rows of step end−1 from r0 to r1, which is not among them,
// into y, by way of the steps from begin on. x is what step begin sees.
func (mc *kernel) together(c Chain, begin, end int, y []float32, x band, r0, r1 int) {
	n := end - begin
	p := pipe{mc: mc, chain: c, begin: begin, x: x, levels: make([]band, n), next: make([]int, n), strip: stripWindows}
	if n == 1 {
		p.strip = blockRows
	}
	size := 0
	for i, from, span := n-1, r0, 0; i >= 0; i-- {
		s := c.at(begin + i)
		h, w := s.Result()
		if i == n-1 {
			h = r1
		}
		rows := strip(w, p.strip)
		p.next[i] = from
		l := &p.levels[i]
		*l = band{row: w * s.Out, first: from, held: h - from}
		if i < n-1 {
			// What a strip of the next step sees, and what else the last strip brings.
			l.held = min(parts(span+rows-1, rows), parts(h-from, rows)) * rows
			size += l.held * l.row
		}
		span = (min(rows, h-from)-1)*s.Stride + window
		from = max(from*s.Stride-s.Before, 0)
	}
	memory := pictures.Get().(*[]float32)
	defer pictures.Put(memory)
	block := picture(memory, size)
	for i := range n - 1 {
		l := &p.levels[i]
		l.data, block = block[:l.held*l.row], block[l.held*l.row:]
	}
	p.levels[n-1].data = y
	p.until(n-1, r1)
}

// until computes level i as far as row r, which is not among the rows that are
// needed; it stops at the end of a strip.
func (p *pipe) until(i, r int) {
	s := p.chain.at(p.begin + i)
	h, w := s.Result()
	if i == len(p.levels)-1 {
		h = r
	}
	for p.next[i] < r {
		r0 := p.next[i]
		r1 := min(r0+strip(w, p.strip), h)
		x := p.x
		if i > 0 {
			p.until(i-1, min((r1-1)*s.Stride-s.Before+window, s.Height))
			x = p.levels[i-1]
		}
		y := p.levels[i].at(r0)[:(r1-r0)*p.levels[i].row]
		if p.begin+i < 0 {
			p.mc.convolution(p.chain.First, y, x.data, r0, r1)
		} else {
			p.mc.separable(p.chain.Steps[p.begin+i], y, x, r0, r1, p.after(i, r1 == h))
		}
		p.next[i] = r1
	}
}

// after returns the weights of what comes next, if it is another step over the whole
// picture.
func (p *pipe) after(i int, done bool) *float32 {
	step := p.begin + i + 1
	if !done || i < len(p.levels)-1 || step == len(p.chain.Steps) {
		return nil
	}
	return &p.chain.Steps[step].Weight[0]
}
