package gemm

import (
	"fmt"

	"github.com/gen-emerge/assay"
)

// A Separable is a convolution in two steps, as in MobileNet: of every channel by
// itself with 3×3 windows, and across channels at every position. The results of
// both, biases added, are moved between 0 and Most. Sums begin with the bias; they
// take in the window row by row, and the channels in their order.
type Separable struct {
	Grid
	In, Out  int       // channels; In is a multiple of [Lanes]
	Deep     []float32 // of the first step, [In, 9], as [PackDeep] packs it
	DeepBias []float32 // [In]
	Weight   []float32 // of the second, [Out, In], as [Pack] packs it
	Bias     []float32 // of the second, [Out]
	Most     float32   // 6 makes it ReLU6
}

// Lanes is how many channels lie beside each other in what [PackDeep] packs.
const Lanes = 16

// DeepShape returns the shape of what [PackDeep] gives: [groups, 9, Lanes].
func DeepShape(channels int) []int { return []int{channels / Lanes, area, Lanes} }

// PackDeep returns the weight w [channels, 9] of windows that see one channel each
// packed: element [g, p, i] is that of channel g·Lanes+i at position p. channels
// is a multiple of Lanes.
func PackDeep(w []float32) []float32 {
	packed := make([]float32, len(w))
	for i := range packed {
		group, p, lane := i/(area*Lanes), i/Lanes%area, i%Lanes
		packed[i] = w[(group*Lanes+lane)*area+p]
	}
	return packed
}

func (s Separable) check() error {
	const name = "separable convolution"
	switch {
	case s.In < 1 || s.In%Lanes != 0 || len(s.Deep) != s.In*area || len(s.DeepBias) != s.In:
		return fmt.Errorf("%s: %d channels, %d weights and %d biases, want a multiple of %d, %d for each and one: %w",
			name, s.In, len(s.Deep), len(s.DeepBias), Lanes, area, assay.ErrInvalid)
	case !(s.Most > 0):
		return fmt.Errorf("%s: results between 0 and %g: %w", name, s.Most, assay.ErrInvalid)
	}
	if err := s.Grid.check(name); err != nil {
		return err
	}
	return Layer{In: s.In, Out: s.Out, Weight: s.Weight, Bias: s.Bias}.check(nil, nil)
}

// A Chain is a picture in planes seen by one convolution and then by separable
// ones: MobileNet as far as its mean. Steps with few weights are taken a few rows
// at a time, one after the other, so that what lies between them stays in the
// second cache.
type Chain struct {
	First Convolution // of planes
	Steps []Separable
}

// Result returns height, width and channels of what the chain gives.
func (c Chain) Result() (h, w, channels int) {
	h, w = c.First.Result()
	channels = c.First.Out
	for _, s := range c.Steps {
		h, w = s.Result()
		channels = s.Out
	}
	return h, w, channels
}

// Apply computes y [height, width, channels] from x [3, Height, Width] on up to
// threads threads. y must not overlap x. For errors see [Layer.Apply].
func (c Chain) Apply(y, x []float32, threads int) error {
	return machine().applyChain(c, y, x, threads)
}

func (mc *kernel) applyChain(c Chain, y, x []float32, threads int) error {
	if err := c.check(); err != nil {
		return err
	}
	h, w, channels := c.Result()
	if err := sizes("chain", y, x, h*w*channels, c.First.Height*c.First.Width*c.First.In); err != nil {
		return err
	}
	if mc == nil {
		return fmt.Errorf("chain: %w", unsupported)
	}
	mc.chain(c, y, x, threads)
	return nil
}

// check refuses steps that do not fit, alone or to each other.
func (c Chain) check() error {
	if !c.First.Planes {
		return fmt.Errorf("chain: the first step sees no planes: %w", assay.ErrInvalid)
	}
	if err := c.First.check(); err != nil {
		return err
	}
	h, w := c.First.Result()
	channels := c.First.Out
	for i, s := range c.Steps {
		if err := s.check(); err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
		if s.Height != h || s.Width != w || s.In != channels {
			return fmt.Errorf("chain: step %d sees %d×%d×%d, the one before gives %d×%d×%d: %w",
				i+1, s.Height, s.Width, s.In, h, w, channels, assay.ErrInvalid)
		}
		h, w = s.Result()
		channels = s.Out
	}
	return nil
}
