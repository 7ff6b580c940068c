package pixel

import "context"

// maxScans bounds the work that a small file can ask for: every scan passes over
// all blocks. A progressive file in use has about ten; the finest division that
// makes sense, each coefficient and bit by itself, stays below.
const maxScans = 500

// maxMCUBlocks is how many blocks an interleaved unit may hold (T.81, B.2.3).
const maxMCUBlocks = 10

// zigzag gives the natural index of each coefficient in coded order (T.81,
// figure A.6). A run that leads past the last one ends at it, as in libjpeg.
var zigzag = [128]uint8{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
	63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63,
}

// A jpegDecoder reads the scans of a file whose header is read. Sequential scans
// are turned into samples at once; of progressive ones the coefficients are kept.
type jpegDecoder struct {
	ctx      context.Context
	head     *jpegHead
	data     []byte
	comps    []jpegPlane
	quant    [4]*[64]int16
	dc, ac   [4]*huffTable
	interval int // units between restart markers, or 0
	scans    int
	keep     bool // coefficients are kept, as progressive scans need it
	in       jpegBits
	eobRun   int // blocks still to be passed over, in a progressive AC scan
	block    [64]int16
}

// A jpegPlane is the state of one component.
type jpegPlane struct {
	jpegComp
	across, down int // blocks that stand for pixels
	stride       int // samples in a row, and in a row of blocks: those that pad units count
	rows         int // of samples
	pix          []uint8
	coefs        []int16    // progressive: 64 for each block
	quant        *[64]int16 // the table at the component's first scan; nil before
	lastDC       int32      // DC value of the block before
	dc, ac       *huffTable // in the current scan
}

// newJPEGDecoder lays the components out. It allocates no samples.
func newJPEGDecoder(d decodeContext, j *jpegHead) *jpegDecoder {
	r := &jpegDecoder{ctx: d.ctx, head: j, data: d.data, comps: make([]jpegPlane, len(j.comps)), keep: j.progressive}
	hmax, vmax := j.maxFactors()
	for i, c := range j.comps {
		p := &r.comps[i]
		p.jpegComp = c
		p.across, p.down = ceilDiv(j.width*c.h, 8*hmax), ceilDiv(j.height*c.v, 8*vmax)
		p.stride, p.rows = ceilDiv(j.width, 8*hmax)*8*c.h, ceilDiv(j.height, 8*vmax)*8*c.v
	}
	return r
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// readAll goes through the file up to its end marker.
func (r *jpegDecoder) readAll() error {
	for off := 2; ; {
		s, err := nextSegment(r.data, off)
		if err != nil {
			return err
		}
		off = s.end
		switch {
		case s.marker == markerEOI:
			return r.complete()
		case s.marker == markerSOS:
			err = r.scan(s.body, s.end)
			off = r.in.pos
		case s.marker == markerDQT:
			err = r.quantTables(s.body)
		case s.marker == markerDHT:
			err = r.huffTables(s.body)
		case s.marker == markerDRI:
			if len(s.body) != 2 {
				return invalidf("jpeg: restart interval of %d bytes; it has 2", len(s.body))
			}
			r.interval = int(s.body[0])<<8 | int(s.body[1])
		case isFrame(s.marker) && r.scans > 0:
			return invalidf("jpeg: two frame headers")
		}
		if err != nil {
			return err
		}
	}
}

// complete reports whether there was a scan of each component.
func (r *jpegDecoder) complete() error {
	for _, c := range r.comps {
		if c.quant == nil {
			return invalidf("jpeg: ends without a scan of component %d", c.id)
		}
	}
	return nil
}

// quantTables takes in a DQT segment. Numbers are kept modulo 2^16, as they are multiplied.
func (r *jpegDecoder) quantTables(body []byte) error {
	c := cursor{data: body}
	for c.off < len(body) {
		pt := c.u8()
		if pt>>4 > 1 || pt&15 > 3 {
			return invalidf("jpeg: quantisation table %d with precision %d; 0 to 3 and 0 or 1 exist", pt&15, pt>>4)
		}
		t := new([64]int16)
		for _, at := range zigzag[:64] {
			if pt>>4 == 0 {
				t[at] = int16(c.u8())
			} else {
				t[at] = int16(c.be16())
			}
		}
		if c.over {
			return invalidf("jpeg: a quantisation table has fewer than 64 numbers")
		}
		r.quant[pt&15] = t
	}
	return nil
}

// huffTables takes in a DHT segment.
func (r *jpegDecoder) huffTables(body []byte) error {
	c := cursor{data: body}
	for c.off < len(body) {
		ct := c.u8()
		counts, n := c.take(16), 0
		for _, k := range counts {
			n += int(k)
		}
		symbols := c.take(n)
		if c.over || n > 256 || ct>>4 > 1 || ct&15 > 3 {
			return invalidf("jpeg: Huffman table %d of class %d with %d symbols in a segment of %d bytes", ct&15, ct>>4, n, len(body))
		}
		t, err := newHuffTable(counts, symbols, ct>>4 == 0)
		if err != nil {
			return err
		}
		if ct>>4 == 0 {
			r.dc[ct&15] = t
		} else {
			r.ac[ct&15] = t
		}
	}
	return nil
}

// A scanHead is what an SOS segment says.
type scanHead struct {
	comps  []*jpegPlane
	ss, se int // first and last coefficient, in zigzag order
	ah, al int // the bit reached before, and by this scan
}

func (r *jpegDecoder) scanHead(body []byte) (scanHead, error) {
	c, s := cursor{data: body}, scanHead{}
	for range c.u8() {
		id, tables := byte(c.u8()), c.u8()
		p := r.component(id)
		if p == nil || tables>>4 > 3 || tables&15 > 3 {
			return s, invalidf("jpeg: a scan of component %d with Huffman tables %d and %d; the frame has no such component or table", id, tables>>4, tables&15)
		}
		for _, q := range s.comps {
			if q == p {
				return s, invalidf("jpeg: a scan with component %d twice", id)
			}
		}
		p.dc, p.ac = r.dc[tables>>4], r.ac[tables&15]
		s.comps = append(s.comps, p)
	}
	s.ss, s.se = c.u8(), c.u8()
	a := c.u8()
	s.ah, s.al = a>>4, a&15
	if c.over || len(s.comps) == 0 {
		return s, invalidf("jpeg: scan header of %d bytes with %d components", len(body), len(s.comps))
	}
	if !r.head.progressive { // sequential: says nothing, and is not looked at
		s.ss, s.se, s.ah, s.al = 0, 63, 0, 0
	}
	return s, r.checkScan(s)
}

func (r *jpegDecoder) component(id byte) *jpegPlane {
	for i := range r.comps {
		if r.comps[i].id == id {
			return &r.comps[i]
		}
	}
	return nil
}

// checkScan holds a scan against T.81, G.1.1.1, and the tables that there are.
func (r *jpegDecoder) checkScan(s scanHead) error {
	if r.head.progressive {
		dcOnly := s.ss == 0 && s.se == 0
		acOnly := s.ss > 0 && s.ss <= s.se && s.se < 64 && len(s.comps) == 1
		if !dcOnly && !acOnly || s.al > 13 || s.ah != 0 && s.ah != s.al+1 {
			return invalidf("jpeg: progressive scan of %d components, coefficients %d to %d, bits %d to %d", len(s.comps), s.ss, s.se, s.ah, s.al)
		}
	}
	blocks := 0
	for _, p := range s.comps {
		blocks += p.h * p.v
		if s.ss == 0 && s.ah == 0 && p.dc == nil || s.se > 0 && p.ac == nil {
			return invalidf("jpeg: a scan of component %d comes before its Huffman table", p.id)
		}
		if p.quant == nil {
			if p.quant = r.quant[p.tq]; p.quant == nil {
				return invalidf("jpeg: a scan of component %d comes before its quantisation table %d", p.id, p.tq)
			}
		}
	}
	if len(s.comps) > 1 && blocks > maxMCUBlocks {
		return invalidf("jpeg: units of %d blocks; at most %d are allowed", blocks, maxMCUBlocks)
	}
	return nil
}

// scan reads a scan whose data starts at off. It leaves the reader's position
// at or before the next marker.
func (r *jpegDecoder) scan(body []byte, off int) error {
	if r.scans++; r.scans > maxScans {
		return invalidf("jpeg: more than %d scans", maxScans)
	}
	s, err := r.scanHead(body)
	if err != nil {
		return err
	}
	r.in = jpegBits{data: r.data, pos: off}
	units, rows, err := r.units(s, len(r.data)-off)
	if err != nil {
		return err
	}
	r.allocate(s)
	r.reset(s)
	left, nextRST := r.interval, byte(markerRST0)
	for y := range rows {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		for x := range units {
			if left == 0 && r.interval > 0 {
				if err := r.restart(s, nextRST); err != nil {
					return err
				}
				nextRST = markerRST0 | (nextRST+1)&7
				left = r.interval
			}
			left--
			if !r.unit(&s, x, y) {
				return invalidf("jpeg: a scan holds bits that are no Huffman code, in row %d of %d", y+1, rows)
			}
		}
		if r.in.over() {
			return invalidf("jpeg: a scan ends early, in row %d of %d", y+1, rows)
		}
	}
	return nil
}

// units returns how many units a scan has in a row, and rows. A scan that n
// bytes cannot hold is refused before anything is allocated for it: each block
// takes a bit in a first DC scan and two in a sequential one.
func (r *jpegDecoder) units(s scanHead, n int) (units, rows int, err error) {
	p := s.comps[0]
	units, rows = p.across, p.down
	blocks := units * rows
	if len(s.comps) > 1 {
		units, rows = p.stride/(8*p.h), p.rows/(8*p.v)
		blocks = 0
		for _, p := range s.comps {
			blocks += p.stride / 8 * (p.rows / 8)
		}
	}
	need := blocks / 8
	switch {
	case s.ss > 0:
		need = 0
	case s.se > 0:
		need = blocks / 4
	}
	if n < need {
		return 0, 0, invalidf("jpeg: ends early: %d bytes cannot hold a scan of %d blocks", n, blocks)
	}
	return units, rows, nil
}

// allocate makes room for what the scan sets.
func (r *jpegDecoder) allocate(s scanHead) {
	for _, p := range s.comps {
		switch {
		case r.keep && p.coefs == nil:
			p.coefs = make([]int16, p.stride*p.rows)
		case !r.keep && p.pix == nil:
			p.pix = make([]uint8, p.stride*p.rows)
		}
	}
}

// reset begins an interval: predictions and runs do not reach over its start.
func (r *jpegDecoder) reset(s scanHead) {
	r.eobRun = 0
	for _, p := range s.comps {
		p.lastDC = 0
	}
}

// restart goes over a restart marker.
func (r *jpegDecoder) restart(s scanHead, want byte) error {
	if r.in.over() {
		return invalidf("jpeg: a restart interval ends early")
	}
	if marker := r.in.marker(); marker != want {
		return invalidf("jpeg: marker 0x%02x stands where restart marker 0x%02x is due", marker, want)
	}
	r.reset(s)
	return nil
}

// unit decodes the blocks of unit x of row y. It reports whether it could.
func (r *jpegDecoder) unit(s *scanHead, x, y int) bool {
	if len(s.comps) == 1 {
		return r.blockAt(s, s.comps[0], x, y)
	}
	for _, p := range s.comps {
		for v := range p.v {
			for h := range p.h {
				if !r.blockAt(s, p, x*p.h+h, y*p.v+v) {
					return false
				}
			}
		}
	}
	return true
}

// blockAt decodes the block of component p in column x and row y of its blocks.
func (r *jpegDecoder) blockAt(s *scanHead, p *jpegPlane, x, y int) bool {
	b := &r.block
	if r.keep {
		b = p.blockAt(x, y)
	}
	switch {
	case !r.head.progressive:
		*b = [64]int16{}
		last := r.in.sequential(b, p)
		if last >= 0 && !r.keep {
			idct(p.pix[8*(y*p.stride+x):], p.stride, b, p.quant, last)
		}
		return last >= 0
	case s.ss == 0 && s.ah == 0:
		return r.firstDC(b, p, s)
	case s.ss == 0:
		b[0] |= int16(r.in.bits(1) << s.al)
		return true
	case s.ah == 0:
		return r.firstAC(b, p.ac, s)
	}
	return r.refineAC(b, p.ac, s)
}

// blockAt returns the coefficients of the block in column x and row y.
func (p *jpegPlane) blockAt(x, y int) *[64]int16 {
	return (*[64]int16)(p.coefs[8*(y*p.stride+8*x):])
}

// samples turns the coefficients that were kept into samples.
func (r *jpegDecoder) samples() error {
	for i := range r.comps {
		p := &r.comps[i]
		if p.coefs == nil {
			continue
		}
		p.pix = make([]uint8, p.stride*p.rows)
		for y := range p.down {
			if err := r.ctx.Err(); err != nil {
				return err
			}
			for x := range p.across {
				idct(p.pix[8*(y*p.stride+x):], p.stride, p.blockAt(x, y), p.quant, 63)
			}
		}
		p.coefs = nil // room for the picture
	}
	return nil
}
