package pixel

import "encoding/binary"

// huffBits is how many bits a huffTable looks up at once. Codes of up to ten
// bits with their value are nearly all of a photograph, and a table of 4 KiB
// stays in the processor's first cache.
const huffBits = 10

// A huffTable decodes one Huffman table of a JPEG file. Symbols are returned as
// entries, which pack
//
//	bits  0–4   the number of bits to consume
//	bits  8–11  the run: the symbol's upper half
//	bits 12–15  how many bits of magnitude follow, or 0
//	bits 16–31  the value, if the magnitude's bits are consumed with the code
//
// The entry 0 is no code. An AC symbol of size 0 (end of block, run of zeros)
// is the only one with neither size nor value.
type huffTable struct {
	fast  [1 << huffBits]uint32
	limit [17]uint32 // by length: the codes of that length and shorter ones are below, left-aligned in 16 bits
	first [17]int32  // by length: what to add to a code to get its symbol's index
	vals  [256]uint8
	n     int // symbols in vals
}

// newHuffTable makes the table of a DHT segment from its 16 counts and symbols
// (T.81, annex C). DC symbols above 15 have no meaning and are no codes.
func newHuffTable(counts, symbols []byte, dc bool) (*huffTable, error) {
	t := &huffTable{n: len(symbols)}
	copy(t.vals[:], symbols)
	code, k := 0, 0
	for length := 1; length <= 16; length++ {
		t.first[length] = int32(k - code)
		for range counts[length-1] {
			if code >= 1<<length {
				return nil, invalidf("jpeg: a Huffman table has more codes of %d bits than there are", length)
			}
			if e := entry(t.vals[k], length, dc); length <= huffBits && e != 0 {
				t.fill(e, code<<(huffBits-length), length)
			}
			code++
			k++
		}
		t.limit[length] = uint32(code) << (16 - length)
		code <<= 1
	}
	if dc {
		for i, s := range t.vals[:t.n] {
			if s > 15 {
				t.vals[i] = noSymbol
			}
		}
	}
	return t, nil
}

// noSymbol marks a DC symbol that is none; it cannot be a size.
const noSymbol = 0xff

// entry packs a symbol whose code has the given length.
func entry(symbol uint8, length int, dc bool) uint32 {
	if dc && symbol > 15 {
		return 0
	}
	return uint32(symbol>>4)<<8 | uint32(symbol&15)<<12 | uint32(length)
}

// fill sets the entries of all continuations of a code, given left-aligned.
// Where the magnitude fits as well, they hold the value.
func (t *huffTable) fill(e uint32, at, length int) {
	size := int(e >> 12 & 15)
	for i := range 1 << (huffBits - length) {
		out := e
		if rest := huffBits - length - size; size > 0 && rest >= 0 {
			v := extend(uint32(i>>rest), uint32(size))
			out = e&0xf00 | uint32(length+size) | uint32(v)<<16
		}
		t.fast[at+i] = out
	}
}

// slow looks a code up that fast does not hold, in the upper bits of acc.
func (t *huffTable) slow(acc uint64, dc bool) uint32 {
	code := uint32(acc >> 48)
	for length := 1; length <= 16; length++ {
		if code < t.limit[length] {
			k := int32(code>>(16-length)) + t.first[length]
			return entry(t.vals[k&255], length, dc)
		}
	}
	return 0
}

// extend turns size bits into the signed number they stand for (T.81, F.2.2.1):
// a leading 1 means positive, else the bits are 2^size − 1 too much. Size is 1 to 15.
func extend(v, size uint32) int32 {
	return int32(v) - int32((v>>(size-1)^1)*(1<<size-1))
}

// A jpegBits reads the entropy-coded bytes of a scan. Past a marker or the end
// of the file it returns zeros and counts them; [jpegBits.over] tells.
type jpegBits struct {
	data []byte
	pos  int
	acc  uint64 // the next bits, the first one on top; bits past the n-th are not to be trusted
	n    int
	pad  int // zeros that were appended to acc after its last true bit
}

// fill makes sure that acc holds 48 bits or more.
func (r *jpegBits) fill() {
	if r.pos+8 <= len(r.data) {
		v := binary.BigEndian.Uint64(r.data[r.pos:])
		inv := ^v // a byte of 0xff is 0 here
		if (inv-0x0101010101010101)&^inv&0x8080808080808080 == 0 {
			r.acc |= v >> r.n // some bits twice, but the same ones
			r.pos += (63 - r.n) >> 3
			r.n |= 56
			return
		}
	}
	for r.n <= 56 {
		b, size := r.next()
		if size == 0 {
			r.pad += 8
		}
		r.acc = r.acc&^(1<<(64-r.n)-1) | uint64(b)<<(56-r.n)
		r.pos += size
		r.n += 8
	}
}

// next returns the next byte of data and how many bytes of the file it takes,
// 0 before a marker. A byte 0xff is written as any number of 0xff and a 0.
func (r *jpegBits) next() (b byte, size int) {
	if r.pos >= len(r.data) {
		return 0, 0
	}
	if b = r.data[r.pos]; b != 0xff {
		return b, 1
	}
	for i := r.pos + 1; i < len(r.data); i++ {
		switch r.data[i] {
		case 0xff:
		case 0:
			return 0xff, i + 1 - r.pos
		default:
			return 0, 0
		}
	}
	return 0, 0
}

// over reports whether bits were consumed that the file does not hold.
func (r *jpegBits) over() bool { return r.n < r.pad }

// bits consumes the next n bits, at most 16.
func (r *jpegBits) bits(n uint32) uint32 {
	if r.n < 16 {
		r.fill()
	}
	v := uint32(r.acc >> 48 >> (16 - n))
	r.acc <<= n
	r.n -= int(n)
	return v
}

// symbol consumes one code of t, with its magnitude if that is in the entry.
// It returns the entry, 0 if the bits are no code.
func (r *jpegBits) symbol(t *huffTable, dc bool) uint32 {
	if r.n < 32 {
		r.fill()
	}
	e := t.fast[r.acc>>(64-huffBits)]
	if e == 0 {
		if e = t.slow(r.acc, dc); e == 0 {
			return 0
		}
	}
	r.acc <<= e & 31
	r.n -= int(e & 31)
	return e
}

// value returns the number of an entry, consuming its magnitude if need be.
func (r *jpegBits) value(e uint32) int32 {
	if size := e >> 12 & 15; size != 0 {
		return extend(r.bits(size), size)
	}
	return int32(e) >> 16
}

// marker goes to the next marker, over bytes that are none, and past it, and
// returns it; 0 at the end of the file. Bits that were read ahead are dropped.
func (r *jpegBits) marker() (marker byte) {
	marker, r.pos = nextMarker(r.data, r.pos)
	r.acc, r.n, r.pad = 0, 0, 0
	return marker
}

// nextMarker returns the first marker at or after off and the offset after it,
// or 0 if there is none. Like libjpeg it goes over whatever is no marker.
func nextMarker(data []byte, off int) (marker byte, end int) {
	for off < len(data) {
		for off < len(data) && data[off] != 0xff {
			off++
		}
		for off < len(data) && data[off] == 0xff {
			off++
		}
		if off < len(data) && data[off] != 0 {
			return data[off], off + 1
		}
	}
	return 0, len(data)
}
