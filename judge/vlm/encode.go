package vlm

import (
	"bytes"
	"container/list"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"math"
	"sync"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/pixel"
)

// What the zero [Limits] stands for. Every vendor takes pictures within these
// bounds as they are, so that none is resampled on the way in a manner of its own.
const (
	DefaultLongEdge = 1536    // pixels
	DefaultBytes    = 3900000 // in base64 these are the 5 MiB that Anthropic takes, less a little
)

// grey is what shows through transparent pixels: as far from black as from white.
const grey = 128

// quality is JPEG's, where PNG is too large. Below 95 blocks begin to show, and
// a judge is asked about them.
const quality = 95

// Encode makes of an image file what a judge is sent: turned as its EXIF
// orientation says, so that a judge sees what a person sees, transparency
// flattened on mid-grey, in RGB, scaled down to a long edge of at most
// to.LongEdge pixels, as PNG, or where that has more than to.Bytes as JPEG of
// quality 95, or if that is still too large on a smaller scale. Nothing of the
// file's metadata is left, so that no prompt and no name reaches the judge.
//
// The same file and limits give the same bytes on every machine, for one
// version of Go. lim bounds what is decoded. Errors wrap [assay.ErrInvalid].
func Encode(data []byte, lim pixel.Limits, to Limits) (*Image, error) {
	img, info, err := pixel.Decode(context.Background(), data, lim)
	if err != nil {
		return nil, err
	}
	to = to.orDefault()
	flat := flatten(img.Oriented(info.Orientation))
	if flat, err = fit(flat, to.LongEdge); err != nil {
		return nil, err
	}
	for {
		file, mime, err := write(flat, to.Bytes)
		if err != nil {
			return nil, err
		}
		if len(file) <= to.Bytes {
			return &Image{Data: file, MIME: mime, Digest: assay.DigestOf(file), Width: flat.Width, Height: flat.Height}, nil
		}
		long := max(flat.Width, flat.Height)
		if long < 16 {
			return nil, fmt.Errorf("picture: %d×%d pixels do not fit into %d bytes; raise the limit (Limits.Bytes): %w",
				flat.Width, flat.Height, to.Bytes, assay.ErrInvalid)
		}
		// Bytes go with the area, more or less; a tenth off makes sure of an end.
		scale := min(0.9, math.Sqrt(float64(to.Bytes)/float64(len(file))))
		if flat, err = fit(flat, max(8, int(float64(long)*scale))); err != nil {
			return nil, err
		}
	}
}

// orDefault returns l with unset fields replaced by their defaults.
func (l Limits) orDefault() Limits {
	if l.LongEdge <= 0 {
		l.LongEdge = DefaultLongEdge
	}
	if l.Bytes <= 0 {
		l.Bytes = DefaultBytes
	}
	return l
}

// fit scales img down so that neither side is longer than edge.
func fit(img *pixel.Image, edge int) (*pixel.Image, error) {
	long := max(img.Width, img.Height)
	if long <= edge {
		return img, nil
	}
	side := func(n int) int { return max(1, int(math.Round(float64(n)*float64(edge)/float64(long)))) }
	return img.Resize(side(img.Width), side(img.Height), pixel.Lanczos)
}

// flatten returns img in RGB on mid-grey. Sixteen-bit grey keeps its upper eight
// bits: pixel's own conversion cuts it off at 255, as Pillow does, and shows
// almost all of it as white.
func flatten(img *pixel.Image) *pixel.Image {
	out := &pixel.Image{Mode: pixel.RGB, Width: img.Width, Height: img.Height}
	switch img.Mode {
	case pixel.RGBA:
		out.Pix = make([]uint8, 0, 3*img.Width*img.Height)
		for i := 0; i+4 <= len(img.Pix); i += 4 {
			out.Pix = appendOver(out.Pix, img.Pix[i], img.Pix[i+1], img.Pix[i+2], img.Pix[i+3])
		}
	case pixel.GrayA:
		out.Pix = make([]uint8, 0, 3*img.Width*img.Height)
		for i := 0; i+2 <= len(img.Pix); i += 2 {
			v := img.Pix[i]
			out.Pix = appendOver(out.Pix, v, v, v, img.Pix[i+1])
		}
	case pixel.Indexed:
		out.Pix = make([]uint8, 0, 3*img.Width*img.Height)
		for _, v := range img.Pix {
			c := [4]uint8{3: 255} // an index past the palette is black
			if i := 4 * int(v); i+4 <= len(img.Palette) {
				copy(c[:], img.Palette[i:])
			}
			out.Pix = appendOver(out.Pix, c[0], c[1], c[2], c[3])
		}
	case pixel.I16:
		out.Pix = make([]uint8, 0, 3*img.Width*img.Height)
		for _, v := range img.Pix16 {
			out.Pix = append(out.Pix, uint8(v>>8), uint8(v>>8), uint8(v>>8))
		}
	default:
		return img.RGB()
	}
	return out
}

// appendOver appends a colour of opacity a, over grey.
func appendOver(pix []uint8, r, g, b, a uint8) []uint8 {
	return append(pix, over(r, a), over(g, a), over(b, a))
}

func over(v, a uint8) uint8 {
	return uint8((uint32(v)*uint32(a) + grey*(255-uint32(a)) + 127) / 255)
}

// write returns img as PNG if that has no more than most bytes, else as JPEG.
func write(img *pixel.Image, most int) (file []byte, mime string, err error) {
	canvas := image.NewNRGBA(image.Rect(0, 0, img.Width, img.Height))
	for i, o := 0, 0; i+3 <= len(img.Pix); i, o = i+3, o+4 {
		copy(canvas.Pix[o:o+3], img.Pix[i:i+3])
		canvas.Pix[o+3] = 255 // opaque, so that the file is written without alpha
	}
	// A writer that is full stops the encoder: a photograph's PNG is not written
	// to its end only to be thrown away.
	buf := &fullBuffer{most: most}
	if err := (&png.Encoder{}).Encode(buf, canvas); err == nil {
		return buf.Bytes(), "image/png", nil
	} else if !buf.full {
		return nil, "", fmt.Errorf("picture: png: %w", err)
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, canvas, &jpeg.Options{Quality: quality}); err != nil {
		return nil, "", fmt.Errorf("picture: jpeg: %w", err)
	}
	return out.Bytes(), "image/jpeg", nil
}

// A fullBuffer refuses what goes over most bytes.
type fullBuffer struct {
	bytes.Buffer
	most int
	full bool
}

func (b *fullBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.most {
		b.full = true
		return 0, fmt.Errorf("more than %d bytes", b.most)
	}
	return b.Buffer.Write(p)
}

// An Encoder remembers what [Encode] made, up to a number of bytes, the oldest
// use forgotten first. Many goroutines may use it; a picture that several of
// them want at once is encoded once.
type Encoder struct {
	size int

	mu    sync.Mutex
	used  int
	order list.List // of *encoded, the last used in front
	byKey map[encodedKey]*list.Element
}

type encodedKey struct {
	id assay.Digest
	to Limits
}

type encoded struct {
	key  encodedKey
	once func() (*Image, error)
	size int // 0 while it is being made
}

// NewEncoder returns an Encoder that holds at most size bytes; 0 means 64 MiB,
// some dozens of pictures.
func NewEncoder(size int) *Encoder {
	if size <= 0 {
		size = 64 << 20
	}
	return &Encoder{size: size, byKey: map[encodedKey]*list.Element{}}
}

// Encode returns what [Encode] makes of the picture that id names. load gives
// the file's bytes; it is called only if the picture is not remembered. Errors
// are load's and [Encode]'s, and are not remembered.
func (e *Encoder) Encode(id assay.Digest, load func() ([]byte, error), lim pixel.Limits, to Limits) (*Image, error) {
	key := encodedKey{id, to.orDefault()}
	e.mu.Lock()
	at, known := e.byKey[key]
	if known {
		e.order.MoveToFront(at)
	} else {
		at = e.order.PushFront(&encoded{key: key, once: sync.OnceValues(func() (*Image, error) {
			data, err := load()
			if err != nil {
				return nil, err
			}
			return Encode(data, lim, to)
		})})
		e.byKey[key] = at
	}
	e.mu.Unlock()

	entry := at.Value.(*encoded)
	img, err := entry.once()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.byKey[key] != at { // dropped meanwhile
		return img, err
	}
	switch {
	case err != nil:
		e.drop(at)
	case entry.size == 0:
		entry.size = len(img.Data)
		e.used += entry.size
		for back := e.order.Back(); e.used > e.size && back != nil; back = e.order.Back() {
			e.drop(back)
		}
	}
	return img, err
}

// drop forgets one picture. Whoever waits for it still gets it.
func (e *Encoder) drop(at *list.Element) {
	entry := e.order.Remove(at).(*encoded)
	delete(e.byKey, entry.key)
	e.used -= entry.size
}
