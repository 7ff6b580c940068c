package metric

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/backbone"
	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/pixel"
	"github.com/gen-emerge/assay/weights"
)

// TestInceptionPreparations holds the cuts against what the packages made of two
// pictures of TID2013: clean-fid's to the byte, PyTorch's by its sum.
func TestInceptionPreparations(t *testing.T) {
	for _, c := range []struct {
		file, clean        string
		cleanSum, torchSum float64
	}{
		{"I03.bmp", "de04c06866e89d1311afff189403848d76bb0993f552f5ef596e96c9d5a424bc", 24114804.130, 94567.35053},
		{"I04.bmp", "9302bca9f2eba219cd70b8b2a749dbeaa8198550ae2bea7ec0a91e211d1d8e05", 24678181.104, 96745.90304},
	} {
		p := sharedPicture(t, "reference/iqa_calibra/dist_dir/"+c.file)
		clean := cutOf(t, cleanPreparation(), p)
		interleaved := make([]float32, 0, len(clean))
		for i := range 299 * 299 {
			interleaved = append(interleaved, clean[i], clean[299*299+i], clean[2*299*299+i])
		}
		sum := sha256.Sum256(weights.Float32Bytes(interleaved))
		if got := hex.EncodeToString(sum[:]); got != c.clean || math.Abs(total(clean)-c.cleanSum) > 6e-4 {
			t.Errorf("%s: clean-fid: %s, sum %.3f; want %s, %.3f", c.file, got, total(clean), c.clean, c.cleanSum)
		}
		// Builds of PyTorch fuse differently: 2^-26 a sample, on average.
		if got := total(cutOf(t, torchPreparation(), p)); math.Abs(got-c.torchSum) > 3*299*299/float64(1<<26) {
			t.Errorf("%s: torch bilinear: sum %.5f, want %.5f", c.file, got, c.torchSum)
		}
	}
}

func cutOf(t *testing.T, prep preparation, p *Picture) []float32 {
	t.Helper()
	c, err := prep.cut(p.Image)
	if err != nil {
		t.Fatal(err)
	}
	return c.planes
}

func total(v []float32) float64 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x)
	}
	return sum
}

// TestInceptionRanges: what the networks are given lies in their range, whatever
// the picture, and the three resizers are three.
func TestInceptionRanges(t *testing.T) {
	checkers := &pixel.Image{Mode: pixel.RGB, Width: 61, Height: 43, Pix: make([]uint8, 3*61*43)}
	for i := range checkers.Pix {
		if (i/3%61/2+i/3/61/2)%2 == 0 {
			checkers.Pix[i] = 255
		}
	}
	same := &pixel.Image{Mode: pixel.RGB, Width: 299, Height: 299, Pix: make([]uint8, 3*299*299)}
	for i := range same.Pix {
		same.Pix[i] = uint8(i * 7 % 256)
	}
	for _, c := range []struct {
		what   string
		img    *pixel.Image
		differ bool
	}{{"checkers", checkers, true}, {"one pixel", &pixel.Image{Mode: pixel.Gray, Width: 1, Height: 1, Pix: []uint8{200}}, false}, {"299 pixels", same, false}} {
		var made [][]float32
		for _, prep := range []preparation{tf1Preparation(), torchPreparation(), cleanPreparation()} {
			x, err := prep.tensor(t.Context(), NewPicture(c.img))
			if err != nil {
				t.Fatalf("%s, %s: %v", c.what, prep.text, err)
			}
			if len(x) != 3*299*299 || slices.Min(x) < -1 || slices.Max(x) > 1 {
				t.Errorf("%s, %s: %d samples from %g to %g", c.what, prep.text, len(x), slices.Min(x), slices.Max(x))
			}
			made = append(made, x)
		}
		// 2·v/255 − 1 and (v − 128)/128 differ by at most 1/127.5.
		for i, pair := range [][2]int{{0, 1}, {1, 2}, {0, 2}} {
			off := 0.0
			for j, v := range made[pair[0]] {
				off = max(off, math.Abs(float64(v)-float64(made[pair[1]][j])))
			}
			if apart := off > 0.01; apart != c.differ {
				t.Errorf("%s: preparations %d: largest difference %.4f", c.what, i, off)
			}
		}
	}
}

// TestClipSquare: the central square is cut out of the picture's own pixels, halves
// down, and alpha is dropped before the resize.
func TestClipSquare(t *testing.T) {
	img := &pixel.Image{Mode: pixel.RGBA, Width: 339, Height: 336, Pix: make([]uint8, 4*339*336)}
	for i := range 339 * 336 {
		copy(img.Pix[4*i:], []uint8{uint8(i % 339 % 256), uint8(i / 339 % 256), uint8(i % 7 * 30), uint8(i % 2 * 255)})
	}
	c, err := clipSquarePreparation(336).cut(img)
	if err != nil {
		t.Fatal(err)
	}
	if c.image.Mode != pixel.RGB || c.image.Width != 336 || c.image.Height != 336 {
		t.Fatalf("%v %d×%d", c.image.Mode, c.image.Width, c.image.Height)
	}
	for y := range 336 {
		for x := range 336 {
			if got, want := c.image.Pix[3*(336*y+x):][:3], img.Pix[4*(339*y+x+1):][:3]; !slices.Equal(got, want) {
				t.Fatalf("pixel %d, %d is %v, want %v: a margin of 3 is 1 and 2", x, y, got, want)
			}
		}
	}
}

// twoPart is a network of which two rows read different outputs.
type twoPart struct{ part float32 }

func (n twoPart) Side() int      { return 2 }
func (n twoPart) Shape() []int   { return []int{1, 12} }
func (n twoPart) Flops() float64 { return 1 }
func (n twoPart) Graph(w onnx.Weights, p nn.Precision) (*onnx.Model, error) {
	if p != nn.Float32 {
		return nil, errors.New("float32 only")
	}
	b := onnx.NewBuilder(w)
	x := b.Reshape(b.Input("pixels", 1, 3, 2, 2), 1, 12)
	b.Output("features", b.Add(b.Mul(x, b.Scalar(n.part)), b.Param("shift", 12)))
	return b.Build()
}

// partRow is a row of twoPart on the model's one prepared file. Its pictures are
// of 2×2 pixels.
func partRow(name, model, part string, factor float32) towerRow {
	return towerRow{name: name, models: []string{model}, net: twoPart{factor}, part: part, zero: true,
		prep: preparation{text: "as they are", key: "raw", std: same3(1), cut: func(img *pixel.Image) (cutting, error) {
			return cutting{planes: img.CHWLevels()}, nil
		}},
		pieces: func(open *officialFiles, _ nn.Precision) ([]weights.Piece, error) {
			if _, err := open.checkpoint(model, ""); err != nil {
				return nil, err
			}
			return []weights.Piece{{Name: "shift", Shape: []int{12}, DType: "float32",
				Make: func() ([]byte, error) { return weights.Float32Bytes(make([]float32, 12)), nil }}}, nil
		}}
}

// TestPartsOfOneNetwork: rows that read different parts of a network share its
// prepared file and not its graph; those that read the same part share both. Zeros
// are features where the row says so.
func TestPartsOfOneNetwork(t *testing.T) {
	engine := &openingEngine{Engine: openLPIPSEngine(t)}
	towers := NewTowers(tinyCache(t, "net"), engine, TowerOptions{Precision: nn.Int8}) // which such networks do not know
	open := func(row towerRow) *Instrument {
		return towers.mustOpen(t, row.features(FeatureSpec{Name: row.name, Version: 1, MinSide: 1, Models: row.models, Graph: true, Space: Euclidean}))
	}
	a, same, other := open(partRow("a", "net", "one", 1)), open(partRow("same", "net", "one", 1)), open(partRow("other", "net", "two", 3))
	black := &pixel.Image{Mode: pixel.RGB, Width: 2, Height: 2, Pix: make([]uint8, 12)}
	grey := &pixel.Image{Mode: pixel.RGB, Width: 2, Height: 2, Pix: slices.Repeat([]uint8{5}, 12)}
	for _, c := range []struct {
		in   *Instrument
		img  *pixel.Image
		want float32
	}{{a, grey, 5}, {same, grey, 5}, {other, grey, 15}, {other, black, 0}} {
		v, err := c.in.Embed(t.Context(), NewPicture(c.img))
		if err != nil || !slices.Equal(v, slices.Repeat([]float32{c.want}, 12)) {
			t.Errorf("%s: %v, %v; want %g everywhere", c.in.Name, v, err, c.want)
		}
	}
	if engine.opened != 2 {
		t.Errorf("%d graphs were opened, want 2", engine.opened)
	}
	if a.Checkpoint != other.Checkpoint || a.Runtime != engine.Name() {
		t.Errorf("checkpoints %s and %s, runtime %q", a.Checkpoint, other.Checkpoint, a.Runtime)
	}
	row := partRow("strict", "net", "one", 1)
	row.zero = false
	if _, err := open(row).Embed(t.Context(), NewPicture(black)); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("zeros that have to have a direction: %v", err)
	}
	if err := towers.Close(); err != nil {
		t.Error(err)
	}
}

// openingEngine counts openings.
type openingEngine struct {
	Engine
	opened int
}

func (e *openingEngine) Open(ctx context.Context, m *onnx.Model) (Runner, error) {
	e.opened++
	return e.Engine.Open(ctx, m)
}

// TestParityInceptionContainers: the file may be a stream of pickles, as it most likely
// is, or the zip that PyTorch writes today: the prepared tensors are the same.
func TestParityInceptionContainers(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("writes two checkpoints of 95 MB: make parity runs it")
	}
	var digests []string
	for _, container := range []weights.Container{weights.TorchLegacy, weights.TorchZip} {
		dir := t.TempDir()
		o := official{seed: 7}
		if container == weights.TorchLegacy {
			o.torchLegacy(backbone.Inception{}.Inventory())
		} else {
			o.torch(backbone.Inception{}.Inventory())
		}
		i := slices.IndexFunc(weights.Manifest(), func(m weights.Model) bool { return m.Name == inceptionModel })
		if err := o.write(t.Context(), weights.Manifest()[i], 7, dir); err != nil {
			t.Fatal(err)
		}
		done, err := inceptionRow("x", backbone.InceptionPool, tf1Preparation()).prepareVision(t.Context(), &weights.Cache{Dir: dir}, nn.Float32)
		if err != nil {
			t.Fatal(err)
		}
		if !done.Synthetic {
			t.Error("made-up weights do not say so")
		}
		digests = append(digests, done.Digest)
	}
	if digests[0] != digests[1] {
		t.Errorf("the two containers give %v", digests)
	}
}
