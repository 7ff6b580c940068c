package judge

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"math"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
	"github.com/gen-emerge/assay/pixel"
)

const (
	defaultEdge = 1536 // no provider scales pictures down below it unasked
	gap         = 32   // pixels between the pictures of a montage
	ground      = 128  // its grey
	goodJPEG    = 95
)

// alike returns both pictures in one encoding and with as many pixels, so that
// neither file format nor size tells the better one. Pictures that are alike as
// they are stay as they are.
func alike(ctx context.Context, a, b *vlm.Image, lim vlm.Limits) (x, y *vlm.Image, err error) {
	areaA, areaB := a.Width*a.Height, b.Width*b.Height
	near := math.Abs(float64(areaA-areaB)) <= 0.02*float64(max(areaA, areaB)) // what rounding to whole pixels leaves
	if near && a.MIME == b.MIME {
		return a, b, nil
	}
	pa, err := decode(ctx, a)
	if err != nil {
		return nil, nil, err
	}
	pb, err := decode(ctx, b)
	if err != nil {
		return nil, nil, err
	}
	if !near {
		if areaA > areaB {
			pa, err = toArea(pa, areaB)
		} else {
			pb, err = toArea(pb, areaA)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	mime := "image/png"
	if a.MIME != mime || b.MIME != mime {
		mime = "image/jpeg"
	}
	if x, err = encode(pa, mime, lim); err != nil {
		return nil, nil, err
	}
	if y, err = encode(pb, mime, lim); err != nil {
		return nil, nil, err
	}
	if x.MIME != y.MIME { // one was too long as PNG
		if x, err = encode(pa, "image/jpeg", lim); err != nil {
			return nil, nil, err
		}
		y, err = encode(pb, "image/jpeg", lim)
	}
	return x, y, err
}

func toArea(img *pixel.Image, area int) (*pixel.Image, error) {
	scale := math.Sqrt(float64(area) / float64(img.Width*img.Height))
	return img.Resize(scaled(img.Width, scale), scaled(img.Height, scale), pixel.Lanczos)
}

func scaled(side int, scale float64) int { return max(1, int(math.Round(float64(side)*scale))) }

// montage puts two pictures of one height side by side on a grey ground.
func montage(ctx context.Context, left, right *vlm.Image, lim vlm.Limits) (*vlm.Image, error) {
	a, err := decode(ctx, left)
	if err != nil {
		return nil, err
	}
	b, err := decode(ctx, right)
	if err != nil {
		return nil, err
	}
	edge := lim.LongEdge
	if edge <= 0 {
		edge = defaultEdge
	}
	if edge < 3*gap {
		return nil, fmt.Errorf("a long edge of %d pixels has no room for two pictures: allow the judge at least %d: %w", edge, 3*gap, assay.ErrInvalid)
	}
	// One height, that of the lower picture, and both widths within the edge.
	h := float64(min(a.Height, b.Height))
	aspects := float64(a.Width)/float64(a.Height) + float64(b.Width)/float64(b.Height)
	h = math.Floor(min(h, float64(edge-3*gap)/aspects, float64(edge-2*gap)))
	if h < 1 {
		return nil, fmt.Errorf("pictures of %d×%d and %d×%d are too wide to stand side by side: %w", a.Width, a.Height, b.Width, b.Height, assay.ErrInvalid)
	}
	if a, err = a.Resize(scaled(a.Width, h/float64(a.Height)), int(h), pixel.Lanczos); err != nil {
		return nil, err
	}
	if b, err = b.Resize(scaled(b.Width, h/float64(b.Height)), int(h), pixel.Lanczos); err != nil {
		return nil, err
	}
	canvas := &pixel.Image{Mode: pixel.RGB, Width: a.Width + b.Width + 3*gap, Height: int(h) + 2*gap}
	canvas.Pix = bytes.Repeat([]byte{ground}, 3*canvas.Width*canvas.Height)
	paste(canvas, a, gap)
	paste(canvas, b, 2*gap+a.Width)
	return encode(canvas, "image/png", lim)
}

func paste(canvas, img *pixel.Image, left int) {
	for y := range img.Height {
		copy(canvas.Pix[3*((y+gap)*canvas.Width+left):], img.Pix[3*y*img.Width:3*(y+1)*img.Width])
	}
}

func decode(ctx context.Context, img *vlm.Image) (*pixel.Image, error) {
	p, _, err := pixel.Decode(ctx, img.Data, pixel.Limits{})
	if err != nil {
		return nil, err
	}
	return p.RGB(), nil
}

// encode writes a picture as it is to be sent; a PNG over the limit becomes a
// JPEG.
func encode(img *pixel.Image, mime string, lim vlm.Limits) (*vlm.Image, error) {
	rgba := image.NewRGBA(image.Rect(0, 0, img.Width, img.Height))
	for i := range img.Width * img.Height {
		copy(rgba.Pix[4*i:], img.Pix[3*i:3*i+3])
		rgba.Pix[4*i+3] = 255
	}
	var buf bytes.Buffer
	if mime == "image/png" {
		if err := png.Encode(&buf, rgba); err != nil {
			return nil, err
		}
	}
	if mime != "image/png" || lim.Bytes > 0 && buf.Len() > lim.Bytes {
		mime = "image/jpeg"
		buf.Reset()
		if err := jpeg.Encode(&buf, rgba, &jpeg.Options{Quality: goodJPEG}); err != nil {
			return nil, err
		}
	}
	if lim.Bytes > 0 && buf.Len() > lim.Bytes {
		return nil, fmt.Errorf("a picture of %d×%d takes %d bytes and the judge accepts %d: lower its long edge: %w",
			img.Width, img.Height, buf.Len(), lim.Bytes, assay.ErrInvalid)
	}
	return &vlm.Image{Data: buf.Bytes(), MIME: mime, Digest: assay.DigestOf(buf.Bytes()), Width: img.Width, Height: img.Height}, nil
}
