package pixel

// sequential reads a block of a sequential scan (T.81, F.2.2) into b, which is
// zero, and returns the index of its last coefficient in zigzag order, or −1 if
// bits are no code. The reader's state is kept in variables: this loop is where
// most of the time goes.
func (r *jpegBits) sequential(b *[64]int16, p *jpegPlane) int {
	e := r.symbol(p.dc, true)
	if e == 0 {
		return -1
	}
	p.lastDC += r.value(e)
	b[0] = int16(p.lastDC)
	t, acc, n, last := p.ac, r.acc, r.n, 0
	for k := 1; k < 64; k++ {
		if n < 32 {
			r.acc, r.n = acc, n
			r.fill()
			acc, n = r.acc, r.n
		}
		e := t.fast[acc>>(64-huffBits)]
		if e == 0 {
			if e = t.slow(acc, false); e == 0 {
				return -1
			}
		}
		acc <<= e & 31
		n -= int(e & 31)
		k += int(e >> 8 & 15)
		v := int32(e) >> 16
		if size := e >> 12 & 15; size != 0 {
			v = extend(uint32(acc>>48)>>(16-size), size)
			acc <<= size
			n -= int(size)
		} else if v == 0 {
			if e>>8&15 == 15 { // sixteen zeros
				continue
			}
			break
		}
		b[zigzag[k&127]&63] = int16(v)
		last = k
	}
	r.acc, r.n = acc, n
	return last
}

// firstDC reads a block of the first scan of DC coefficients (G.1.2.1).
func (r *jpegDecoder) firstDC(b *[64]int16, p *jpegPlane, s *scanHead) bool {
	e := r.in.symbol(p.dc, true)
	if e == 0 {
		return false
	}
	p.lastDC += r.in.value(e)
	b[0] = int16(p.lastDC << s.al)
	return true
}

// firstAC reads a block of the first scan of a band of AC coefficients (G.1.2.2).
func (r *jpegDecoder) firstAC(b *[64]int16, t *huffTable, s *scanHead) bool {
	if r.eobRun > 0 {
		r.eobRun--
		return true
	}
	for k := s.ss; k <= s.se; k++ {
		e := r.in.symbol(t, false)
		if e == 0 {
			return false
		}
		run := e >> 8 & 15
		if e>>12 == 0 && run < 15 {
			r.eobRun = r.run(run) - 1
			break
		}
		k += int(run)
		if v := r.in.value(e); v != 0 {
			b[zigzag[k&127]&63] = int16(v << s.al)
		}
	}
	return true
}

// run returns how many blocks an end-of-band symbol covers, with its own.
func (r *jpegDecoder) run(n uint32) int {
	if n == 0 {
		return 1
	}
	return 1<<n + int(r.in.bits(n))
}

// refineAC reads a block of a scan that adds a bit to a band of AC coefficients
// (G.1.2.3): each coefficient that is not zero has a correction bit in the data,
// and symbols say where new ones arise, counting only those that are still zero.
func (r *jpegDecoder) refineAC(b *[64]int16, t *huffTable, s *scanHead) bool {
	k := s.ss
	for ; r.eobRun == 0 && k <= s.se; k++ {
		e := r.in.symbol(t, false)
		if e == 0 {
			return false
		}
		run := int(e >> 8 & 15)
		v := r.in.value(e)
		if v == 0 && run < 15 {
			r.eobRun = r.run(uint32(run))
			break
		}
		if v < -1 || v > 1 {
			return false
		}
		k = r.correct(b, k, run, s)
		if v != 0 {
			b[zigzag[k&127]&63] = int16(v << s.al)
		}
	}
	if r.eobRun > 0 {
		r.correct(b, k, 64, s)
		r.eobRun--
	}
	return true
}

// correct reads the correction bits of coefficients from index k on, up to the
// zero that comes after run others, or the end of the band. It returns the index
// where it stops.
func (r *jpegDecoder) correct(b *[64]int16, k, run int, s *scanHead) int {
	bit := int16(1) << s.al
	for ; k <= s.se; k++ {
		c := &b[zigzag[k]&63]
		if *c == 0 {
			if run == 0 {
				break
			}
			run--
			continue
		}
		if r.in.bits(1) == 0 || *c&bit != 0 { // set already only in a damaged file
			continue
		}
		if *c > 0 {
			*c += bit
		} else {
			*c -= bit
		}
	}
	return k
}
