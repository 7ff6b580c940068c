package pixel

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image/color"
	"image/png"
	"math/rand/v2"
	"slices"
	"testing"
)

// plainFile writes a PNG file whose rows use the given filters in turn; extra
// chunks go before the data, which is cut into pieces of the given size.
func plainFile(pix []byte, w, h, bpp int, filters []byte, piece int, extra ...[]byte) []byte {
	head := binary.BigEndian.AppendUint32(nil, uint32(w))
	head = binary.BigEndian.AppendUint32(head, uint32(h))
	head = append(head, 8, map[int]byte{3: 2, 4: 6}[bpp], 0, 0, 0)
	var raw bytes.Buffer
	z := zlib.NewWriter(&raw)
	at := func(y, i int) byte {
		if y < 0 || i < 0 {
			return 0
		}
		return pix[y*w*bpp+i]
	}
	for y := range h {
		line := []byte{filters[y%len(filters)]}
		for i := range w * bpp {
			a, b, c := at(y, i-bpp), at(y-1, i), byte(0)
			if i >= bpp {
				c = at(y-1, i-bpp)
			}
			var guess byte
			switch line[0] {
			case 1:
				guess = a
			case 2:
				guess = b
			case 3:
				guess = byte((int(a) + int(b)) / 2)
			case 4:
				guess = paethOfSpecification(int(a), int(b), int(c))
			}
			line = append(line, at(y, i)-guess)
		}
		z.Write(line)
	}
	z.Close()
	out := append([]byte(pngMagic), rawChunk("IHDR", head)...)
	out = append(out, bytes.Join(extra, nil)...)
	for part := range slices.Chunk(raw.Bytes(), piece) {
		out = append(out, rawChunk("IDAT", part)...)
	}
	return append(out, rawChunk("IEND", nil)...)
}

func rawChunk(kind string, body []byte) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	out = append(append(out, kind...), body...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[4:]))
}

// paethOfSpecification is the predictor as section 9.4 of the specification has it.
func paethOfSpecification(a, b, c int) byte {
	p := a + b - c
	pa, pb, pc := max(p-a, a-p), max(p-b, b-p), max(p-c, c-p)
	switch {
	case pa <= pb && pa <= pc:
		return byte(a)
	case pb <= pc:
		return byte(b)
	}
	return byte(c)
}

// plain runs the fast decoder on a file whose header is right.
func plain(t *testing.T, data []byte) *Image {
	t.Helper()
	h, err := parsePNG(data)
	if err != nil {
		t.Fatal(err)
	}
	return decodePlainPNG(decodeContext{t.Context(), data, h.Info})
}

func TestPlainPNG(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		w, h, bpp := 1+r.IntN(40), 1+r.IntN(20), 3+r.IntN(2)
		pix := make([]byte, w*h*bpp)
		for i := range pix { // noise, and flat parts where distances are equal
			if r.IntN(3) > 0 {
				pix[i] = byte(r.UintN(256))
			} else if i >= bpp {
				pix[i] = pix[i-bpp]
			}
		}
		filters := []byte{4}
		for range r.IntN(6) {
			filters = append(filters, byte(r.IntN(5)))
		}
		data := plainFile(pix, w, h, bpp, filters, 1+r.IntN(300), rawChunk("tEXt", []byte("a\x00b")))
		if got := plain(t, data); got == nil || !bytes.Equal(got.Pix, pix) {
			t.Fatalf("%d×%d of %d bytes, filters %v: not what was written", w, h, bpp, filters)
		}
		if _, err := png.Decode(bytes.NewReader(data)); err != nil {
			t.Fatalf("the test's files are not right: %v", err)
		}
	}
}

// TestPlainPNGLeaves has files that the fast decoder must leave to the standard
// library: those it does not know, and those that are damaged.
func TestPlainPNGLeaves(t *testing.T) {
	pix := []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
	good := plainFile(pix, 2, 2, 3, []byte{0}, 100)
	if plain(t, good) == nil {
		t.Fatal("the good file is left too")
	}
	cases := map[string][]byte{
		"transparent colour": plainFile(pix, 2, 2, 3, []byte{0}, 100, rawChunk("tRNS", make([]byte, 6))),
		"no such filter":     plainFile(pix, 2, 2, 3, []byte{5}, 100),
		"a row too many":     plainFile(slices.Concat(pix, pix[:6]), 2, 3, 3, []byte{0}, 100),
		"a row too few":      plainFile(pix[:6], 2, 1, 3, []byte{0}, 100),
		"nothing at the end": good[:len(good)-12],
	}
	for name := range cases { // the header says two rows
		if name == "a row too many" || name == "a row too few" {
			data := slices.Clone(cases[name])
			binary.BigEndian.PutUint32(data[20:], 2)
			binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(data[12:29]))
			cases[name] = data
		}
	}
	for at := range len(good) - len(pngMagic) { // every byte counts
		at += len(pngMagic)
		data := slices.Clone(good)
		data[at] ^= 0x10
		if _, err := parsePNG(data); err == nil && plain(t, data) != nil {
			t.Errorf("byte %d changed: decoded all the same", at)
		}
	}
	for name, data := range cases {
		if plain(t, data) != nil {
			t.Errorf("%s: decoded", name)
		}
	}
}

// FuzzPlainPNG checks that what the fast decoder accepts the standard library
// decodes to the same samples.
func FuzzPlainPNG(f *testing.F) {
	pix := []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 250, 251, 252, 253, 254, 255, 0, 9, 9, 9, 9, 9}
	f.Add(plainFile(pix, 2, 4, 3, []byte{4, 3}, 100))
	f.Add(plainFile(pix, 2, 3, 4, []byte{1, 2, 4}, 7, chunkOfBytes("gAMA", 4)))
	addSeeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := Sniff(data, fuzzLimits); err != nil || !bytes.HasPrefix(data, []byte(pngMagic)) {
			return
		}
		got := plain(t, data)
		if got == nil {
			return
		}
		want, err := png.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatalf("decoded, but the standard library says: %v", err)
		}
		for y := range got.Height {
			for x := range got.Width {
				c := color.NRGBAModel.Convert(want.At(x, y)).(color.NRGBA)
				n := got.Mode.Channels()
				p := got.Pix[(y*got.Width+x)*n:]
				if p[0] != c.R || p[1] != c.G || p[2] != c.B || n == 4 && p[3] != c.A {
					t.Fatalf("pixel %d, %d is %v, want %v", x, y, p[:n], c)
				}
			}
		}
	})
}

func chunkOfBytes(kind string, n int) []byte { return rawChunk(kind, make([]byte, n)) }
