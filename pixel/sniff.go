package pixel

import (
	"bytes"
	"strings"
)

// An Info is what a file's header says of the picture in it.
type Info struct {
	Format        string // "png", "jpeg", "webp", "gif", "bmp", "tiff", "avif", "heic", "jxl"
	Width, Height int    // pixels, of the image that [Decode] returns
	Mode          Mode   // of the image that [Decode] returns

	// Orientation is the EXIF orientation, 1 to 8, that the decoded pixels are
	// still to be turned by for display; see [Image.Oriented]. It is 1 where the
	// file says nothing, or where decoding has turned the pixels already (TIFF,
	// HEIC, JPEG XL). For AVIF it stands for the container's rotation and mirror.
	Orientation int
}

// A header is an Info with what its decoder needs to know besides.
type header struct {
	Info
	decode func(d decodeContext) (*Image, error)
}

// formats lists how each format is told by its first bytes, in the order tried.
// No two of them accept the same file.
var formats = [...]struct {
	name  string
	match func(data []byte) bool
	parse func(data []byte) (header, error)
}{
	{"png", prefixed(pngMagic), parsePNG},
	{"jpeg", prefixed("\xff\xd8\xff"), parseJPEG},
	{"webp", isWebP, parseWebP},
	{"gif", func(b []byte) bool { return prefixed("GIF87a")(b) || prefixed("GIF89a")(b) }, parseGIF},
	{"bmp", isBMP, parseBMP},
	{"tiff", isTIFF, parseTIFF},
	{"avif", func(b []byte) bool { return isHEIF(b, "avif", "avis") }, parseAVIF},
	{"heic", func(b []byte) bool { return isHEIF(b, "heic", "heix", "heim", "heis") }, parseHEIC},
	{"jxl", isJXL, parseJXL},
}

func prefixed(magic string) func([]byte) bool {
	return func(data []byte) bool { return len(data) >= len(magic) && string(data[:len(magic)]) == magic }
}

// Sniff reads the header of the image file data without decoding it and checks
// it against lim. It allocates no pixels, and little else, whatever the header
// announces.
//
// Errors wrap [assay.ErrInvalid]. They report data that is no image of a known
// format, ends within the header, announces an image without pixels or over a
// limit (naming the value and the limit), or has a pixel layout that assay does
// not read. That the header is sound does not mean that the rest is.
func Sniff(data []byte, lim Limits) (Info, error) {
	h, err := sniff(data, lim)
	return h.Info, err
}

func sniff(data []byte, lim Limits) (header, error) {
	lim = lim.orDefault()
	if err := lim.checkBytes(len(data)); err != nil {
		return header{}, err
	}
	for _, f := range formats {
		if !f.match(data) {
			continue
		}
		h, err := f.parse(data)
		if err != nil {
			return header{}, err
		}
		h.Format = f.name
		if err := lim.checkSize(f.name, h.Width, h.Height); err != nil {
			return header{}, err
		}
		if h.Orientation == 0 {
			h.Orientation = 1
		}
		return h, nil
	}
	if len(data) == 0 {
		return header{}, invalidf("not an image: the file is empty")
	}
	return header{}, invalidf("not an image: the file starts with %q, which no known format does%s",
		data[:min(len(data), 12)], guess(data))
}

// guess names what a file that is no image probably is, for the commonest mistakes.
func guess(data []byte) string {
	head := strings.ToLower(string(bytes.TrimSpace(data[:min(len(data), 256)])))
	switch {
	case strings.HasPrefix(head, "<svg") || strings.Contains(head, "<svg"):
		return " (an SVG drawing: render it to PNG first)"
	case strings.HasPrefix(head, "<!doctype") || strings.HasPrefix(head, "<html"):
		return " (a web page: the download probably failed)"
	case strings.HasPrefix(head, "%pdf"):
		return " (a PDF: render its page to PNG first)"
	case strings.HasPrefix(head, "version https://git-lfs"):
		return " (a Git LFS pointer: run \"git lfs pull\")"
	}
	return ""
}

// A cursor reads numbers from a header. Past the end it returns zeros and
// remembers it, so that a parser needs one check.
type cursor struct {
	data []byte
	off  int
	over bool
}

// take returns the next n bytes, or n zero bytes (at most 8) past the end.
func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.data)-c.off {
		c.over = true
		c.off = len(c.data)
		return make([]byte, max(0, min(n, 8)))
	}
	b := c.data[c.off : c.off+n]
	c.off += n
	return b
}

func (c *cursor) u8() int      { return int(c.take(1)[0]) }
func (c *cursor) be16() int    { b := c.take(2); return int(b[0])<<8 | int(b[1]) }
func (c *cursor) le16() int    { b := c.take(2); return int(b[1])<<8 | int(b[0]) }
func (c *cursor) be32() uint32 { return uint32(c.be16())<<16 | uint32(c.be16()) }
func (c *cursor) le32() uint32 { return uint32(c.le16()) | uint32(c.le16())<<16 }
