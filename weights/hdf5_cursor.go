package weights

import (
	"encoding/binary"
	"fmt"
	"math"
)

// An h5cursor takes one structure apart and remembers the first mistake; after it
// every method returns zero.
type h5cursor struct {
	h   *h5
	b   []byte
	at  int // next byte
	err error
}

func (c *h5cursor) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

// take returns the next n bytes.
func (c *h5cursor) take(n int) []byte {
	if c.err == nil && (n < 0 || n > len(c.b)-c.at) {
		c.fail("%d bytes are missing after byte %d of %d", n-(len(c.b)-c.at), c.at, len(c.b))
	}
	if c.err != nil {
		return nil
	}
	c.at += n
	return c.b[c.at-n : c.at]
}

func (c *h5cursor) skip(n int) { c.take(n) }

// left returns how many bytes follow.
func (c *h5cursor) left() int { return len(c.b) - c.at }

// uint takes a little-endian number of n bytes, at most 8.
func (c *h5cursor) uint(n int) uint64 {
	var wide [8]byte
	copy(wide[:], c.take(n))
	return binary.LittleEndian.Uint64(wide[:])
}

func (c *h5cursor) u8() byte    { return byte(c.uint(1)) }
func (c *h5cursor) u16() uint16 { return uint16(c.uint(2)) }
func (c *h5cursor) u32() uint32 { return uint32(c.uint(4)) }

// size takes a length that must fit int64.
func (c *h5cursor) size() int64 {
	v := c.uint(c.h.length)
	if v > math.MaxInt64 {
		c.fail("a length of %d", v)
		return 0
	}
	return int64(v)
}

// address takes an address; −1 stands for the undefined one.
func (c *h5cursor) address() int64 {
	n := c.h.offset
	v := c.uint(n)
	if c.err == nil && v == math.MaxUint64>>(64-8*n) {
		return -1
	}
	if v > math.MaxInt64 {
		c.fail("an address of %d", v)
		return 0
	}
	return int64(v)
}

// magic takes a signature.
func (c *h5cursor) magic(want string) {
	if got := c.take(len(want)); c.err == nil && string(got) != want {
		c.fail("signature %q, want %q", got, want)
	}
}

// version takes a version that must be one of those given.
func (c *h5cursor) version(what string, want ...byte) byte {
	got := c.u8()
	for _, w := range want {
		if got == w {
			return got
		}
	}
	c.fail("%s of version %d, want one of %v", what, got, want)
	return got
}

// padded is the next multiple of 8.
func padded(n int) int { return (n + 7) &^ 7 }
