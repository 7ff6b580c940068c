package judge

import (
	"errors"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
	"github.com/gen-emerge/assay/pixel"
)

// A Card is a picture, or two, made for a question whose answer is known.
type Card struct {
	Name     string       // of the picture: "plain red", "mirrored pair"
	Pictures []*vlm.Image // one or two, to be shown in this order
	Question assay.Question
}

// Cards returns the control cards, always the same bytes. As many answers are
// yes as no.
func Cards() []Card { return nil }

// ErrUnchanged reports that a picture would look the same after a change, so
// that neither of the two is the better one.
var ErrUnchanged = errors.New("the picture does not change")

// Degradations returns changes for [Degrade] that make a picture worse: gross
// ones, which nobody overlooks, and mild ones, which take a look.
func Degradations() (gross, mild []string) { return nil, nil }

// Degrade returns a copy of a picture that was made worse. how is "blur S%", of
// the shorter side; "jpeg q=N"; "noise N", in levels of 255; "tiles shuffled NxN";
// or "channels swapped". The error wraps [assay.ErrInvalid] if data is not a
// picture within lim or how is none of these, and [ErrUnchanged] if the copy
// would hardly differ.
func Degrade(data []byte, how string, lim pixel.Limits) (*vlm.Image, error) {
	return nil, errors.ErrUnsupported
}
