package web

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"net/http"
	"time"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/pixel"
)

const (
	// A thumbnail's shorter side: a cell of the map is about 100 CSS pixels, and
	// screens have two to three pixels for one of those.
	thumbShort = 240
	// A panorama's thumbnail ends here; its shorter side is then shorter.
	thumbLong = 480
	// thumbQuality is that of the JPEG; judging is done on full pictures.
	thumbQuality = 85
)

// shown are the formats that every current browser shows, with their types.
// The others are converted.
var shown = map[string]string{
	"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp",
	"gif": "image/gif", "bmp": "image/bmp", "avif": "image/avif",
}

// source reads the bytes of an image that is an entry of the series, and of no
// other.
func (st *site) source(r *http.Request) (assay.Digest, []byte, error) {
	id, err := st.entryOf(r)
	if err != nil {
		return id, nil, err
	}
	data, err := st.facts.Blob(r.Context(), id)
	return id, data, err
}

// entryOf reads the image's name in the address, if it is in the series.
func (st *site) entryOf(r *http.Request) (assay.Digest, error) {
	id, err := assay.ParseDigest(r.PathValue("id"))
	if err != nil {
		return id, err
	}
	_, err = st.series.Entry(r.Context(), id)
	return id, err
}

// blob serves a picture at full size: the file as it is, or as PNG if browsers
// do not show its format.
func (st *site) blob(w http.ResponseWriter, r *http.Request) error {
	id, data, err := st.source(r)
	if err != nil {
		return err
	}
	info, err := pixel.Sniff(data, st.series.Limits())
	if err != nil {
		return fmt.Errorf("image %s: %w", id.Short(), err)
	}
	if kind, ok := shown[info.Format]; ok {
		send(w, r, &rendered{id: id, kind: kind, data: data}, id.String(), info.Format)
		return nil
	}
	etag := id.String() + "-png"
	if r.Header.Get("If-None-Match") == `"`+etag+`"` { // do not decode for a browser that has it
		send(w, r, &rendered{id: id, kind: "image/png"}, etag, "png")
		return nil
	}
	pic, err := st.convert(r.Context(), id, data, asPNG)
	if err != nil {
		return err
	}
	send(w, r, pic, etag, "png")
	return nil
}

// thumb serves a small copy, turned as the file says.
func (st *site) thumb(w http.ResponseWriter, r *http.Request) error {
	id, err := st.entryOf(r)
	if err != nil {
		return err
	}
	pic, ok := st.thumbs.get(id)
	if !ok {
		data, err := st.facts.Blob(r.Context(), id)
		if err != nil {
			return err
		}
		if pic, err = st.convert(r.Context(), id, data, asThumb); err != nil {
			return err
		}
		st.thumbs.put(pic)
	}
	send(w, r, pic, id.String()+"-thumb", pic.kind[len("image/"):])
	return nil
}

// send serves what never changes: the address names the content.
func send(w http.ResponseWriter, r *http.Request, p *rendered, etag, suffix string) {
	h := w.Header()
	h.Set("Content-Type", p.kind)
	h.Set("ETag", `"`+etag+`"`)
	h.Set("Cache-Control", "private, max-age=31536000, immutable")
	h.Set("Content-Disposition", `inline; filename="`+p.id.Short()+"."+suffix+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(p.data))
}

// convert decodes a picture and encodes what encode makes of it. Few run at
// once, so that a page of large pictures does not take all memory.
func (st *site) convert(ctx context.Context, id assay.Digest, data []byte, encode func(img *pixel.Image, orientation int) (*rendered, error)) (*rendered, error) {
	select {
	case st.decode <- struct{}{}:
		defer func() { <-st.decode }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	img, info, err := pixel.Decode(ctx, data, st.series.Limits())
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", id.Short(), err)
	}
	p, err := encode(forDisplay(img), info.Orientation)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", id.Short(), err)
	}
	p.id = id
	return p, nil
}

func asPNG(img *pixel.Image, orientation int) (*rendered, error) {
	var b bytes.Buffer
	enc := png.Encoder{CompressionLevel: png.BestSpeed}
	err := enc.Encode(&b, standard(img.Oriented(orientation)))
	return &rendered{kind: "image/png", data: b.Bytes()}, err
}

func asThumb(img *pixel.Image, orientation int) (*rendered, error) {
	small, err := shrink(img)
	if err != nil {
		return nil, err
	}
	if small.Mode == pixel.RGBA && !opaque(small.Pix) {
		return asPNG(small, orientation)
	}
	var b bytes.Buffer
	err = jpeg.Encode(&b, standard(small.Oriented(orientation)), &jpeg.Options{Quality: thumbQuality})
	return &rendered{kind: "image/jpeg", data: b.Bytes()}, err
}

// shrink fits a picture into a thumbnail. It never enlarges.
func shrink(img *pixel.Image) (*pixel.Image, error) {
	short, long := min(img.Width, img.Height), max(img.Width, img.Height)
	scale := min(1, float64(thumbShort)/float64(short), float64(thumbLong)/float64(long))
	if scale == 1 {
		return img, nil
	}
	side := func(n int) int { return max(1, int(scale*float64(n)+0.5)) }
	return img.Resize(side(img.Width), side(img.Height), pixel.Bicubic)
}

// size returns a picture's width and height as browsers show it.
func (st *site) size(ctx context.Context, id assay.Digest) (w, h int, err error) {
	data, err := st.facts.Blob(ctx, id)
	if err != nil {
		return 0, 0, err
	}
	info, err := pixel.Sniff(data, st.series.Limits())
	if err != nil {
		return 0, 0, fmt.Errorf("image %s: %w", id.Short(), err)
	}
	if info.Orientation >= 5 { // turned by a quarter
		return info.Height, info.Width, nil
	}
	return info.Width, info.Height, nil
}

// forDisplay returns a picture in mode RGB, or RGBA if it has transparency.
// 16-bit grey keeps its upper 8 bits, as browsers show it.
func forDisplay(img *pixel.Image) *pixel.Image {
	out := &pixel.Image{Mode: pixel.RGBA, Width: img.Width, Height: img.Height}
	switch img.Mode {
	case pixel.RGBA:
		return img
	case pixel.GrayA:
		out.Pix = make([]uint8, 4*img.Width*img.Height)
		for i := 0; i < len(img.Pix); i += 2 {
			l := img.Pix[i]
			copy(out.Pix[2*i:], []uint8{l, l, l, img.Pix[i+1]})
		}
		return out
	case pixel.Indexed:
		if opaque(img.Palette) {
			return img.RGB()
		}
		out.Pix = make([]uint8, 4*img.Width*img.Height)
		for i, index := range img.Pix {
			if at := 4 * int(index); at+4 <= len(img.Palette) {
				copy(out.Pix[4*i:], img.Palette[at:at+4])
			}
		}
		return out
	case pixel.I16:
		out.Mode, out.Pix = pixel.Gray, make([]uint8, len(img.Pix16))
		for i, v := range img.Pix16 {
			out.Pix[i] = uint8(v >> 8)
		}
		return out.RGB()
	}
	return img.RGB()
}

// opaque reports whether none of the RGBA samples lets anything through.
func opaque(rgba []uint8) bool {
	for i := 3; i < len(rgba); i += 4 {
		if rgba[i] != 255 {
			return false
		}
	}
	return true
}

// standard hands an RGB or RGBA picture to the standard library's encoders.
func standard(img *pixel.Image) image.Image {
	out := image.NewNRGBA(image.Rect(0, 0, img.Width, img.Height))
	if img.Mode == pixel.RGBA {
		copy(out.Pix, img.Pix)
		return out
	}
	for i, j := 0, 0; i < len(img.Pix); i, j = i+3, j+4 {
		copy(out.Pix[j:], img.Pix[i:i+3])
		out.Pix[j+3] = 255
	}
	return out
}
