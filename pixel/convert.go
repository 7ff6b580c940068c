package pixel

// RGB returns the image in mode RGB, as Pillow's convert("RGB") makes it: alpha
// is dropped and not composited, grey is repeated, a palette is looked up
// (indices past its end are black), and CMYK becomes n − round(ink·n/255) with
// n = 255 − K. 16-bit grey saturates: every level above 255 becomes 255, as in
// Pillow 9.4 to 13. An image that is RGB already is returned itself.
func (img *Image) RGB() *Image {
	if img.Mode == RGB {
		return img
	}
	out := newImage(RGB, img.Width, img.Height)
	switch img.Mode {
	case Bilevel, Gray:
		spread(out.Pix, img.Pix, 1)
	case GrayA:
		spread(out.Pix, img.Pix, 2)
	case I16:
		for i, v := range img.Pix16 {
			g := uint8(min(v, 255))
			out.Pix[3*i], out.Pix[3*i+1], out.Pix[3*i+2] = g, g, g
		}
	case Indexed:
		table := img.paletteRGB()
		for i, v := range img.Pix {
			copy(out.Pix[3*i:3*i+3], table[v][:])
		}
	case RGBA:
		out.Pix = pick(img.Pix, 4, 0, 1, 2)
	case CMYK:
		for i, j := 0, 0; i+4 <= len(img.Pix); i, j = i+4, j+3 {
			n := 255 - int(img.Pix[i+3])
			for k := range 3 {
				out.Pix[j+k] = uint8(n - mulDiv255(int(img.Pix[i+k]), n))
			}
		}
	}
	return out
}

// Gray returns the image in mode L, as Pillow's convert("L") makes it: from
// colour (19595·R + 38470·G + 7471·B + 32768) >> 16, which is ITU-R 601 luma in
// 16-bit fixed point; alpha is dropped; 16-bit grey saturates at 255. An image
// that is L already is returned itself.
func (img *Image) Gray() *Image {
	if img.Mode == Gray {
		return img
	}
	out := newImage(Gray, img.Width, img.Height)
	switch img.Mode {
	case Bilevel:
		copy(out.Pix, img.Pix)
	case GrayA:
		out.Pix = pick(img.Pix, 2, 0)
	case I16:
		for i, v := range img.Pix16 {
			out.Pix[i] = uint8(min(v, 255))
		}
	case Indexed:
		var table [256]uint8
		for i, c := range img.paletteRGB() {
			table[i] = luma(c[0], c[1], c[2])
		}
		for i, v := range img.Pix {
			out.Pix[i] = table[v]
		}
	case RGB, RGBA:
		n := img.Mode.Channels()
		for i := range out.Pix {
			p := img.Pix[n*i : n*i+3 : n*i+3]
			out.Pix[i] = luma(p[0], p[1], p[2])
		}
	case CMYK:
		return img.RGB().Gray()
	}
	return out
}

// luma is Pillow's L24: ITU-R 601 weights times 65536, rounded.
func luma(r, g, b uint8) uint8 {
	return uint8((uint32(r)*19595 + uint32(g)*38470 + uint32(b)*7471 + 0x8000) >> 16)
}

// mulDiv255 returns round(a·b/255) for a and b in 0..255, the way Pillow does.
func mulDiv255(a, b int) int {
	t := a*b + 128
	return (t>>8 + t) >> 8
}

// spread writes the first of each n samples of src three times to dst.
func spread(dst, src []uint8, n int) {
	for i, j := 0, 0; i < len(src); i, j = i+n, j+3 {
		v := src[i]
		d := dst[j : j+3 : j+3]
		d[0], d[1], d[2] = v, v, v
	}
}

// paletteRGB returns the palette's colours; entries it does not have are black.
func (img *Image) paletteRGB() *[256][3]uint8 {
	var table [256][3]uint8
	for i := range min(256, len(img.Palette)/4) {
		copy(table[i][:], img.Palette[4*i:4*i+3])
	}
	return &table
}
