package series

import (
	"context"

	"github.com/gen-emerge/assay"
)

// A Juror is a vision-language model as [Series.Deliberate] asks it: who it is,
// and the four things it can be asked for. Everything it returns is stored as it
// comes. Its methods are called by several goroutines at once.
//
// An error that wraps [assay.ErrInvalid] or [assay.ErrNotFound] is about the
// pictures in hand: it is told, and the rest go on. Any other error ends the
// run: a spent budget, a server that is gone, the end of ctx.
type Juror interface {
	// Judge says who answers. It never changes.
	Judge() assay.Judge
	// Checklist answers the questions that are not among have, which are this
	// judge's stored answers to the image. With an error come the answers that
	// were learned before it.
	Checklist(ctx context.Context, img Shown, have []assay.Answer) ([]assay.Answer, error)
	// Compare compares two images in both orders; reason says why, for people.
	Compare(ctx context.Context, a, b Shown, reason string) (assay.Comparison, error)
	// Write writes a note of the kind ("summary", "critique") about the image,
	// knowing this judge's answers to it.
	Write(ctx context.Context, img Shown, answers []assay.Answer, kind string) (assay.Note, error)
}

// Shown is an image as a juror gets it.
type Shown struct {
	Entry  assay.Entry
	Image  assay.Image
	Data   []byte         // the encoded bytes, as they came
	Others []assay.Digest // images of the series that passed its gates, for questions about style; at most [MaxOthers]
}

// MaxOthers is how many images of its series are shown beside an image.
const MaxOthers = 4
