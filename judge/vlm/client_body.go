package vlm

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
)

// Pictures do not go through the SDKs. Each of them writes a request out several
// times over, which for a picture of a megabyte takes longer than everything else;
// they get a mark in its place, and the wire puts the picture where the mark is
// while the request is being sent.

// A mark stands for one picture of one request. It is valid base64, so that it
// can be given to an SDK as bytes or as text, and it holds enough chance that no
// text contains it unless it was put there.
type marks [24]byte

func newMarks() (m marks) {
	_, _ = rand.Read(m[:]) // it never fails, and aborts the program where it would
	return m
}

// bytes returns the mark of picture i as an SDK takes it that encodes pictures
// itself; text as one takes it that does not.
func (m marks) bytes(i int) []byte {
	return append(m[:len(m):len(m)], byte(i>>16), byte(i>>8), byte(i))
}

func (m marks) text(i int) string { return base64.StdEncoding.EncodeToString(m.bytes(i)) }

// fill returns body with pictures in the place of their marks, and how many
// bytes that are. Each mark must be there once, and in order.
func (m marks) fill(body []byte, pictures []*Image) (io.Reader, int64, error) {
	var parts []io.Reader
	var size int64
	for i, p := range pictures {
		before, after, found := bytes.Cut(body, []byte(m.text(i)))
		if !found {
			return nil, 0, fmt.Errorf("picture %d has no place in the request", i+1)
		}
		parts = append(parts, bytes.NewReader(before), newBase64Reader(p.Data))
		size += int64(len(before)) + int64(base64.StdEncoding.EncodedLen(len(p.Data)))
		body = after
	}
	parts = append(parts, bytes.NewReader(body))
	return io.MultiReader(parts...), size + int64(len(body)), nil
}

// A base64Reader encodes as it is read, so that no second copy of a picture is
// held for each request under way.
type base64Reader struct {
	data []byte // still to be encoded
	left []byte // encoded and not yet read
	buf  [4 * 3072]byte
}

func newBase64Reader(data []byte) *base64Reader { return &base64Reader{data: data} }

func (r *base64Reader) Read(p []byte) (int, error) {
	if len(r.left) == 0 && len(r.data) == 0 {
		return 0, io.EOF
	}
	n := 0
	if len(r.left) == 0 { // whole groups straight into p
		take := min(len(p)/4*3, len(r.data)/3*3)
		base64.StdEncoding.Encode(p, r.data[:take])
		r.data, n = r.data[take:], take/3*4
	}
	if n == 0 && len(r.left) == 0 { // a short p, or the last group
		take := min(len(r.buf)/4*3, len(r.data))
		base64.StdEncoding.Encode(r.buf[:], r.data[:take])
		r.data, r.left = r.data[take:], r.buf[:base64.StdEncoding.EncodedLen(take)]
	}
	if n == 0 {
		n = copy(p, r.left)
		r.left = r.left[n:]
	}
	return n, nil
}
