package pixel

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/image/bmp"
)

// sharedFile returns a file of the test data that is not in the repository:
// under $ASSAY_TEST_DATA, or ../shared/data beside the checkout. Without it the
// test is skipped, or fails if $ASSAY_TEST_REQUIRE names "data".
func sharedFile(t testing.TB, name string) []byte {
	t.Helper()
	dir := os.Getenv("ASSAY_TEST_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "data")
	}
	data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
	if err == nil {
		return data
	}
	if slices.Contains(strings.Split(os.Getenv("ASSAY_TEST_REQUIRE"), ","), "data") {
		t.Fatalf("test data: %v", err)
	}
	t.Skipf("no test data (set ASSAY_TEST_DATA to its folder): %v", err)
	return nil
}

// sharedPicture decodes a PNG or BMP with Go's own decoders, so that these
// tests do not depend on this package's.
func sharedPicture(t testing.TB, name string) *Image {
	t.Helper()
	data := sharedFile(t, name)
	decode := png.Decode
	if strings.HasSuffix(name, ".bmp") {
		decode = bmp.Decode
	}
	m, err := decode(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	b := m.Bounds()
	mode := RGBA
	if o, ok := m.(interface{ Opaque() bool }); ok && o.Opaque() {
		mode = RGB
	}
	img := &Image{Mode: mode, Width: b.Dx(), Height: b.Dy()}
	for y := range img.Height {
		for x := range img.Width {
			c := straight(m, b.Min.X+x, b.Min.Y+y)
			img.Pix = append(img.Pix, c.R, c.G, c.B)
			if mode == RGBA {
				img.Pix = append(img.Pix, c.A)
			}
		}
	}
	return img
}

func straight(m image.Image, x, y int) color.NRGBA {
	if n, ok := m.(*image.NRGBA); ok {
		return n.NRGBAAt(x, y) // converting would lose the colour under alpha 0
	}
	return color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA)
}

const (
	calibra  = "reference/iqa_calibra/"
	dreamsim = "reference/published_pairs/dreamsim/"
)

// The hashes and sums below were made with Pillow 9.4.0 from published files,
// and are kept with the facts of the models that need them.

func TestResizePublished(t *testing.T) {
	for _, c := range []struct {
		file string
		w, h int
		f    Filter
		hash string
		sum  int
	}{
		{dreamsim + "ref_1.png", 224, 224, Bicubic, "b45676cea7f3e1bd7f125d3da5f2d9e44ac53ff878e5cc349c1240fb87a4c754", 14620893},
		{dreamsim + "img_a_1.png", 224, 224, Bicubic, "e72efbaf590cea2cc4d268240033a25e40fe12ed4c6583129d793cd68dcc14c7", 15921692},
		{dreamsim + "img_b_1.png", 224, 224, Bicubic, "2a3c6f527a3c8248f3e1fb62fe8c0e0b3c977df9ef8a0f07fa2b8acd35932328", 17498029},
		{calibra + "ref_dir/I03.bmp", 224, 224, Bicubic, "bda465c3fb323fcea5a26d0e870edec64509b644d64562b9a2ac2f885fe8928b", 13652767},
		{calibra + "ref_dir/I03.bmp", 341, 256, Bilinear, "1e9e89928711d50b67e704928885a8bb5011a1ae7fdad0ecedf58c830863b091", 23754406},
		{calibra + "ref_dir/I03.bmp", 600, 700, Bicubic, "9bff96f9110d8281268df5f7784e39d2f55bccfe55529097ba942bc05e69436d", 114282296},
		{calibra + "dist_dir/I03.bmp", 224, 224, Nearest, "8097baea102c0b43c88518b6a83a3ad7adc5a5e83a34c999e1018426f2f30ac9", 13534199},
		{calibra + "dist_dir/I04.bmp", 224, 224, Nearest, "3215d4aad6921b379edf95d11aa043e1777e67faf2b7bbe1ab0cbd4faf42777d", 13878932},
	} {
		t.Run(fmt.Sprintf("%s %s %d×%d", filepath.Base(c.file), c.f, c.w, c.h), func(t *testing.T) {
			samePixels(t, resize(t, sharedPicture(t, c.file), c.w, c.h, c.f), c.hash, c.sum)
		})
	}
}

func samePixels(t *testing.T, img *Image, hash string, sum int) {
	t.Helper()
	got := 0
	for _, v := range img.Pix {
		got += int(v)
	}
	if got != sum || hashOf(img) != hash {
		t.Errorf("sum %d and hash %s, want %d and %s", got, hashOf(img), sum, hash)
	}
}

func TestCLIPCropPublished(t *testing.T) {
	for _, c := range []struct {
		file, hash string
		sum        int
	}{
		{calibra + "dist_dir/I03.bmp", "fd2a76c189f65f18eb9981866bb8d76049e0f8d68fbd4f777b70930005976339", 13675338},
		{calibra + "dist_dir/I04.bmp", "fa49df7cebfae2fc687b41b384a2a37063e1ee3a49890dc064bb14b8337f1a6d", 14376679},
		{"reference/published_pairs/clip/CLIP.png", "c96d5fbf8273c7bea132e34850cece46b2b4a3f976fe50c1e9855f55495eddce", 13899842},
	} {
		t.Run(filepath.Base(c.file), func(t *testing.T) {
			img, err := sharedPicture(t, c.file).ShortSide(224, Bicubic)
			if err != nil {
				t.Fatal(err)
			}
			if img, err = img.CenterCrop(224, 224, HalfEven); err != nil {
				t.Fatal(err)
			}
			samePixels(t, img.RGB(), c.hash, c.sum)
		})
	}
}

// TestFIDResizers checks clean-fid's resizer to the byte, and PyTorch's by the
// sum of its values, known to five decimals.
func TestFIDResizers(t *testing.T) {
	for _, c := range []struct {
		file, cleanHash    string
		cleanSum, torchSum float64
	}{
		{"dist_dir/I03.bmp", "de04c06866e89d1311afff189403848d76bb0993f552f5ef596e96c9d5a424bc", 24114804.130, 94567.35053},
		{"dist_dir/I04.bmp", "9302bca9f2eba219cd70b8b2a749dbeaa8198550ae2bea7ec0a91e211d1d8e05", 24678181.104, 96745.90304},
	} {
		img := sharedPicture(t, calibra+c.file)
		planes, err := ResizeFloat(img.CHWLevels(), img.Width, img.Height, 3, 299, 299, Bicubic)
		if err != nil {
			t.Fatal(err)
		}
		var clean []float32 // interleaved and clipped, as clean-fid keeps it
		sum := 0.0
		for i := range 299 * 299 {
			for ch := range 3 {
				v := min(max(planes[ch*299*299+i], 0), 255)
				clean = append(clean, v)
				sum += float64(v)
			}
		}
		if got := floatHash(clean); got != c.cleanHash || math.Abs(sum-c.cleanSum) > 0.0006 {
			t.Errorf("%s: clean-fid: sum %.3f and hash %s, want %.3f and %s", c.file, sum, got, c.cleanSum, c.cleanHash)
		}
		torch, err := TorchBilinear(img.CHWUnit(), img.Width, img.Height, 3, 299, 299)
		if err != nil {
			t.Fatal(err)
		}
		sum = 0
		for _, v := range torch {
			sum += float64(v)
		}
		// The samples are in [0, 1] and rounded to float32 coordinates, which
		// builds of PyTorch fuse differently: 2^-26 a sample, on average. The
		// resizer of TF1 is off by more than 1.
		if tol := float64(len(torch)) / (1 << 26); math.Abs(sum-c.torchSum) > tol {
			t.Errorf("%s: torch bilinear: sum %.6f, want %.5f", c.file, sum, c.torchSum)
		}
	}
}

// TestNearestPixels holds the indices against Pillow's, for every width from 1 to
// 4096; reference/pixel_nearest.py prints the sums.
func TestNearestPixels(t *testing.T) {
	for out, want := range map[int]string{
		224:  "badb395c0416f9cbf22bcf8838379f7f1fe75d2593c6e5bb5f76c83bf47158b1",
		64:   "8f4a4943c3a09be086c59a0efbbc5b282ffbf3be11e99fca0ab957001d38337e",
		299:  "cc7a59143feac5b8c96bfcbee6ed0f951688a05d54238b560169c787b80a616c",
		336:  "99457ab1deb5deb0d1b57d623f8f4d2e2cb4b6f7a7e663b3ffb5e46018d4e2c1",
		1000: "ef99a03b344751c1b332f6be6c3609265f10d6a0a3eb1205ea86d82637daaf82",
	} {
		h := sha256.New()
		for in := 1; in <= 4096; in++ {
			for _, i := range nearestScaled(in, out) {
				h.Write(binary.LittleEndian.AppendUint32(nil, uint32(i)))
			}
		}
		if got := hex.EncodeToString(h.Sum(nil)); got != want {
			t.Errorf("to %d: SHA-256 of the indices %s, Pillow's is %s", out, got, want)
		}
	}
}

// TestNearestAccumulates holds the indices against the closed form, which gives
// others for these sizes.
func TestNearestAccumulates(t *testing.T) {
	for _, n := range []int{512, 640, 1024} {
		if slices.Equal(nearestScaled(n, 224), nearestAffine(n, 224)) {
			t.Errorf("%d to 224: accumulated and closed form agree", n)
		}
	}
	for in := 1; in < 300; in++ {
		index := nearestScaled(in, 224)
		if !slices.IsSorted(index) || index[0] < 0 || index[223] >= in {
			t.Fatalf("%d to 224: indices %v", in, index)
		}
	}
}
