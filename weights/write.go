package weights

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/gen-emerge/assay"
)

// A Piece is one tensor of a file that is to be written.
type Piece struct {
	Name  string
	Shape []int  // empty for a single value
	DType string // as [Checkpoint.Place] names types: "float32", "int8", ...
	// Make returns the values, little-endian and row-major. It is called at most
	// once, and the bytes are dropped before the next piece is made.
	Make func() ([]byte, error)
	// Of is the tensor that this one is another form of, by the same name; nil for
	// none. [Prepared.Digest] is then what it would be if the file held that.
	Of *Piece
}

// Float32Bytes returns the values as the bytes of a float32 tensor: little-endian,
// 4 each.
func Float32Bytes(v []float32) []byte {
	out := make([]byte, 4*len(v))
	for i, x := range v {
		binary.LittleEndian.PutUint32(out[4*i:], math.Float32bits(x))
	}
	return out
}

// alignTo is where the values of a written file start, and every tensor whose
// length is a multiple of it, in bytes: a cache line, and the widest vector.
const alignTo = 64

// WriteSafetensors writes the pieces as a safetensors file; the metadata goes into
// its __metadata__ and may be nil. The same pieces and metadata give the same
// bytes, whatever the order of the pieces. One piece is in memory at a time.
//
// Values start at a multiple of 64 bytes. Tensors whose length is a multiple of 64
// come first, then the others by falling size of their type, by name within each
// group: so all are aligned to their type and nearly all to 64 bytes, although the
// format allows no holes.
//
// An error wraps [assay.ErrInvalid] and names the piece if the file could not be
// read back: a name that is used twice, a type that is not known, values that do
// not fit the shape. Otherwise it is w's, the piece's own, or the context's.
func WriteSafetensors(ctx context.Context, w io.Writer, pieces []Piece, metadata map[string]string) error {
	plan, err := planSafetensors(pieces, metadata)
	if err != nil {
		return err
	}
	if _, err := w.Write(plan.header); err != nil {
		return fmt.Errorf("writing the header: %w", err)
	}
	for _, p := range plan.pieces {
		raw, err := p.make(ctx)
		if err != nil {
			return err
		}
		if err := writeAll(ctx, w, raw); err != nil {
			return fmt.Errorf("writing tensor %.100q: %w", p.Name, err)
		}
	}
	return nil
}

// writeAll is w.Write in pieces that are small enough to be cancelled between.
func writeAll(ctx context.Context, w io.Writer, raw []byte) error {
	const most = 4 << 20
	for len(raw) > 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n := min(len(raw), most)
		if _, err := w.Write(raw[:n]); err != nil {
			return err
		}
		raw = raw[n:]
	}
	return nil
}

// A safetensorsPlan is a file that is known up to its values.
type safetensorsPlan struct {
	header []byte         // with the length before it and the padding after it
	pieces []plannedPiece // in the order of their values in the file
}

// size returns the bytes of the whole file.
func (p *safetensorsPlan) size() int64 {
	last := p.pieces[len(p.pieces)-1]
	return last.at + last.length
}

// A plannedPiece has its place in the file.
type plannedPiece struct {
	Piece
	at, length int64 // in bytes; at counts from the start of the file
}

// make calls Make and checks what it returns.
func (p plannedPiece) make(ctx context.Context) ([]byte, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("tensor %.100q: %w", p.Name, context.Cause(ctx))
	}
	raw, err := p.Make()
	if err != nil {
		return nil, fmt.Errorf("tensor %.100q: %w", p.Name, err)
	}
	if int64(len(raw)) != p.length {
		return nil, fmt.Errorf("tensor %.100q: %d bytes were made, shape %v of %s takes %d: %w",
			p.Name, len(raw), p.Shape, p.DType, p.length, assay.ErrInvalid)
	}
	return raw, nil
}

// planSafetensors checks the pieces, orders them and makes the header.
func planSafetensors(pieces []Piece, metadata map[string]string) (*safetensorsPlan, error) {
	if len(pieces) == 0 {
		return nil, fmt.Errorf("a safetensors file without tensors: %w", assay.ErrInvalid)
	}
	plan := &safetensorsPlan{pieces: make([]plannedPiece, len(pieces))}
	seen := make(map[string]bool, len(pieces))
	total := int64(0)
	for i, p := range pieces {
		length, err := p.check()
		if err == nil && seen[p.Name] {
			err = fmt.Errorf("two pieces have this name")
		}
		if err == nil && length > math.MaxInt64/2-total {
			err = fmt.Errorf("the file would be too long")
		}
		if err != nil {
			return nil, fmt.Errorf("tensor %.100q: %w: %w", p.Name, err, assay.ErrInvalid)
		}
		seen[p.Name], total = true, total+length
		plan.pieces[i] = plannedPiece{Piece: p, length: length}
	}
	slices.SortFunc(plan.pieces, func(a, b plannedPiece) int {
		return cmp.Or(cmp.Compare(a.group(), b.group()), cmp.Compare(a.Name, b.Name))
	})
	at := int64(0)
	for i := range plan.pieces {
		plan.pieces[i].at = at
		at += plan.pieces[i].length
	}
	if err := plan.makeHeader(metadata); err != nil {
		return nil, err
	}
	for i := range plan.pieces {
		plan.pieces[i].at += int64(len(plan.header))
	}
	return plan, nil
}

// group orders the values in the file: see [WriteSafetensors].
func (p plannedPiece) group() int64 {
	if p.length%alignTo == 0 {
		return 0
	}
	return alignTo - dtype(p.DType).size()
}

// check returns the length of the values in bytes.
func (p Piece) check() (int64, error) {
	size := dtype(p.DType).size()
	switch {
	case p.Name == "" || p.Name == "__metadata__" || !utf8.ValidString(p.Name):
		return 0, fmt.Errorf("the format does not allow this name")
	case size == 0:
		return 0, fmt.Errorf("values of type %q cannot be written", p.DType)
	case p.Make == nil:
		return 0, fmt.Errorf("the piece has no values")
	}
	shape := make([]int64, len(p.Shape))
	for i, s := range p.Shape {
		shape[i] = int64(s)
	}
	n, err := elements(shape)
	if err == nil && n > math.MaxInt64/size {
		err = fmt.Errorf("shape %v is too large", p.Shape)
	}
	return n * size, err
}

// makeHeader writes the header for pieces whose places count from its end.
func (p *safetensorsPlan) makeHeader(metadata map[string]string) error {
	var b bytes.Buffer
	b.Write(make([]byte, 8))
	b.WriteByte('{')
	if len(metadata) > 0 {
		b.WriteString(`"__metadata__":{`)
		for i, key := range slices.Sorted(maps.Keys(metadata)) {
			if !utf8.ValidString(key) || !utf8.ValidString(metadata[key]) {
				return fmt.Errorf("metadata %.100q is not UTF-8: %w", key, assay.ErrInvalid)
			}
			separate(&b, i)
			quote(&b, key)
			b.WriteByte(':')
			quote(&b, metadata[key])
		}
		b.WriteString("},")
	}
	for i, piece := range p.pieces {
		separate(&b, i)
		quote(&b, piece.Name)
		fmt.Fprintf(&b, `:{"dtype":"%s","shape":[`, typeName(dtype(piece.DType)))
		for i, s := range piece.Shape {
			separate(&b, i)
			fmt.Fprint(&b, s)
		}
		fmt.Fprintf(&b, `],"data_offsets":[%d,%d]}`, piece.at, piece.at+piece.length)
	}
	b.WriteByte('}')
	for b.Len()%alignTo != 0 {
		b.WriteByte(' ')
	}
	if most := (Limits{}).withDefaults().Header; int64(b.Len()-8) > most {
		return fmt.Errorf("the header takes %d bytes, readers accept %d: %w", b.Len()-8, most, assay.ErrInvalid)
	}
	p.header = b.Bytes()
	binary.LittleEndian.PutUint64(p.header, uint64(len(p.header)-8))
	return nil
}

func separate(b *bytes.Buffer, i int) {
	if i > 0 {
		b.WriteByte(',')
	}
}

// quote appends a JSON string.
func quote(b *bytes.Buffer, s string) {
	text, _ := json.Marshal(s) // text cannot fail
	b.Write(text)
}

// typeName is the format's name of a type.
func typeName(d dtype) string {
	for name, have := range safetensorsTypes {
		if have == d {
			return name
		}
	}
	return ""
}
