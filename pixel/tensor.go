package pixel

// CHW returns the tensor most models read: planar float32, [3, Height, Width],
// red plane first, each sample (v/255 − mean) / std with every operation
// rounded to float32, in the order of torchvision's ToTensor and Normalize.
// (Hugging Face multiplies by 1/255 in double precision instead; the results
// differ by a unit in the last place.) mean and std are in units of [0, 1]; no
// entry of std may be 0. An image of another mode is first converted as
// [Image.RGB] does: alpha is dropped, not blended.
func (img *Image) CHW(mean, std [3]float32) []float32 {
	return img.planes(func(c int, v uint8) float32 {
		return (float32(v)/255 - mean[c]) / std[c]
	})
}

// CHWUnit is [Image.CHW] without the normalising: samples v/255 in [0, 1].
// DreamSim and DISTS read such tensors.
func (img *Image) CHWUnit() []float32 {
	return img.planes(func(_ int, v uint8) float32 { return float32(v) / 255 })
}

// CHWSigned is [Image.CHW] with samples v/127.5 − 1 in [−1, 1], computed in
// double precision and rounded once, as LPIPS' im2tensor does. Keras' MobileNet
// preprocessing is the same formula in float32: its results are within 6e-8.
func (img *Image) CHWSigned() []float32 {
	return img.planes(func(_ int, v uint8) float32 { return float32(float64(v)/127.5 - 1) })
}

// CHWLevels is [Image.CHW] with the samples as they are, 0 to 255, for resizers
// that work on floats such as [ResizeFloat] and [TorchBilinear].
func (img *Image) CHWLevels() []float32 {
	return img.planes(func(_ int, v uint8) float32 { return float32(v) })
}

// planes looks each sample of img as RGB up in a table that value fills.
func (img *Image) planes(value func(channel int, v uint8) float32) []float32 {
	rgb := img.RGB()
	n := rgb.Width * rgb.Height
	out := make([]float32, 3*n)
	for c := range 3 {
		var table [256]float32
		for v := range table {
			table[v] = value(c, uint8(v))
		}
		plane := out[c*n : (c+1)*n]
		for i := range plane {
			plane[i] = table[rgb.Pix[3*i+c]]
		}
	}
	return out
}
