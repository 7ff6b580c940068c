// Package judge lets vision-language models answer, compare and criticise, never
// score, and examines how far each of them can be trusted.
//
// A judge gets yes/no questions, two pictures in both orders, or the demand for a
// short text. Its probability of yes is read from the server's distribution over
// the answer, or from repeated answers; a refusal and "cannot tell" are
// abstentions. Controls with known answers are mixed in, and a judge that fails
// them stops deciding.
package judge

import (
	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge/vlm"
)

// Protocol is the version of how judges are asked. It is raised when the words
// around a question change, and with it every answer's judge is another.
const Protocol = 1

// A Subject is an image as a judge gets to see it.
type Subject struct {
	Image  assay.Digest
	Sent   *vlm.Image   // scaled and encoded for the judge
	Prompt string       // the image was made from; empty if unknown
	Family string       // of its generator's makers; empty if unknown
	Pixels Pixels       // what is known of it without asking
	Others []*vlm.Image // images of its series, for questions of scope "style"; may be empty
}

// Pixels are facts that are read from a picture, by which controls know their
// answers.
type Pixels struct {
	Width, Height int
	Colours       int     // distinct colours after reduction to 4 bits a channel
	Plain         bool    // every pixel is nearly of one colour
	Grey          bool    // no pixel has a visible colour
	Dark          bool    // almost black throughout
	Bright        bool    // almost white throughout
	MeanLuma      float64 // 0 to 255
	Vivid         bool    // a fifth of it or more has a plainly visible colour
	Contrast      float64 // between the parts of an 8×8 grid that differ most, in their mean level of a channel, 0 to 255
}
