package assay

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// Sentinel errors that callers branch on. Everything else is a sentence for people.
var (
	// ErrNotFound reports that no record has the requested name.
	ErrNotFound = errors.New("not found")
	// ErrInvalid reports input that can never be accepted as it stands.
	ErrInvalid = errors.New("invalid")
	// ErrConflict reports that a record exists and says something else.
	ErrConflict = errors.New("conflict")
	// ErrUnavailable reports that something needed is not there now: a model
	// that is not installed, a runtime that is not found, a lock held elsewhere.
	ErrUnavailable = errors.New("unavailable")
)

// A Digest is the SHA-256 of an image's encoded bytes, or of a text in UTF-8.
// It names the image or the text. The zero Digest names nothing.
type Digest [32]byte

// DigestOf returns the name of the image whose encoded bytes are data.
func DigestOf(data []byte) Digest { return sha256.Sum256(data) }

// DigestOfText returns the SHA-256 of a text that is read beside an image, as
// it stands: no space is trimmed. The empty text has the zero Digest: there is
// none.
func DigestOfText(text string) Digest {
	if text == "" {
		return Digest{}
	}
	return sha256.Sum256([]byte(text))
}

// ParseDigest reads the 64 hex digits that [Digest.String] writes.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	if len(s) != 2*len(d) {
		return Digest{}, fmt.Errorf("digest %q: want %d hex digits: %w", s, 2*len(d), ErrInvalid)
	}
	if _, err := hex.Decode(d[:], []byte(s)); err != nil {
		return Digest{}, fmt.Errorf("digest %q: %w", s, ErrInvalid)
	}
	return d, nil
}

// String returns the 64 hex digits of d.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Short returns the first 12 hex digits of d, for people.
func (d Digest) Short() string { return d.String()[:12] }

// IsZero reports whether d names nothing.
func (d Digest) IsZero() bool { return d == Digest{} }

// MarshalText writes d as [Digest.String] does; the zero Digest is empty.
func (d Digest) MarshalText() ([]byte, error) {
	if d.IsZero() {
		return nil, nil
	}
	return []byte(d.String()), nil
}

// UnmarshalText reads what [Digest.MarshalText] writes.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Digest{}
		return nil
	}
	parsed, err := ParseDigest(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

// An Image is one picture, named by the SHA-256 of its bytes. It never changes
// once made.
type Image struct {
	ID     Digest `json:"id"`
	Bytes  int64  `json:"bytes"`  // length of the encoded file
	Format string `json:"format"` // "png", "jpeg", "webp", "gif", "bmp", "tiff", "avif", "heic", "jxl"
	Width  int    `json:"width"`  // pixels, as stored (EXIF orientation not applied)
	Height int    `json:"height"` // pixels, as stored
	Mode   string `json:"mode"`   // Pillow's name of the pixel layout: "L", "RGB", "RGBA", ...
}

// An Entry is an image's place in one series: what it came with, and when.
// Seq counts from 1 in the order of arrival and never changes.
type Entry struct {
	Series    string            `json:"series"`
	Seq       int64             `json:"seq"`
	Image     Digest            `json:"image"`
	Path      string            `json:"path,omitempty"` // where the bytes were read, as the caller named it
	Prompt    string            `json:"prompt,omitempty"`
	Negative  string            `json:"negative,omitempty"`
	Generator string            `json:"generator,omitempty"` // "comfyui", "a1111", ... or what the caller said
	Settings  map[string]string `json:"settings,omitempty"`  // seed, sampler, steps, model, ...
	Parents   []Digest          `json:"parents,omitempty"`
	Created   time.Time         `json:"created,omitzero"`
}

// An Identity says exactly which instrument produced a number. Two readings may
// be compared only when their identities are equal.
type Identity struct {
	Instrument  string `json:"instrument"`           // as in the field: "niqe", "lpips-squeeze"
	Version     int    `json:"version"`              // raised when any input would read differently
	Checkpoint  string `json:"checkpoint,omitempty"` // digest of the tensors; empty for formulas
	Preparation string `json:"preparation"`          // what was done to the pixels first
	Runtime     string `json:"runtime"`              // "go", or "onnxruntime 1.30.0 cpu float32"
	Synthetic   bool   `json:"synthetic,omitempty"`  // true if the weights are made up for testing
}

// A Reading is one instrument's number for one image, for an image and a
// reference, or for an image and a text, with its provenance.
type Reading struct {
	Identity
	Image    Digest    `json:"image"`
	Ref      Digest    `json:"ref,omitzero"`  // the other image of a pair; zero if there is none
	Text     Digest    `json:"text,omitzero"` // of the text that was read with the image, the prompt; zero if there is none
	Value    float64   `json:"value"`
	Warnings []string  `json:"warnings,omitempty"`
	Created  time.Time `json:"created,omitzero"`
}

// A Verdict is what a gate says of an image.
type Verdict string

// The four verdicts. NotMeasured is not a failure: it says that the number the
// gate needs does not exist, and the reason says how to get it.
const (
	Pass        Verdict = "pass"
	Fail        Verdict = "fail"
	Abstain     Verdict = "abstain"
	NotMeasured Verdict = "not measured"
)

// A GateMode says what a verdict does.
type GateMode string

// A shadow gate records its verdicts and refuses nothing: too little is known of
// them. A calibrated one refuses nothing either, but its threshold carries a
// guarantee from this creator's own judgments, and it may be enforced. An
// enforced gate refuses what fails; a suspended gate, whose evidence no longer
// holds, gives no verdict.
const (
	Shadow     GateMode = "shadow"
	Calibrated GateMode = "calibrated"
	Enforced   GateMode = "enforced"
	Suspended  GateMode = "suspended"
)

// A GateResult is one gate's verdict on one image, with all it rests on.
type GateResult struct {
	Gate      string   `json:"gate"`
	Verdict   Verdict  `json:"verdict"`
	Mode      GateMode `json:"mode"`
	Reading   *Reading `json:"reading,omitempty"`   // nil if not measured
	Threshold *float64 `json:"threshold,omitempty"` // nil if there is none yet
	Reason    string   `json:"reason"`              // a sentence for people
}

// An Outcome is what a judge says of a pair, in the order shown.
type Outcome string

// The outcomes of a comparison. BothBad says that neither image is good enough:
// each loses to the bar. Skip says nothing.
const (
	Left    Outcome = "left"
	Right   Outcome = "right"
	Tie     Outcome = "tie"
	BothBad Outcome = "both_bad"
	Skip    Outcome = "skip"
)

// A Judgment is one judge's outcome for a pair of images, in the order they
// were shown. It is never changed; a later Withdrawal can take it back.
type Judgment struct {
	ID         int64         `json:"id"`
	Series     string        `json:"series"`
	Round      int64         `json:"round,omitempty"` // 0 if not part of a round
	Rater      string        `json:"rater"`
	Source     string        `json:"source"` // "human", or "vlm:model"
	Left       Digest        `json:"left"`
	Right      Digest        `json:"right"`
	Outcome    Outcome       `json:"outcome"`
	Grade      int           `json:"grade"`                // −2 (left much better) … +2 (right much better); 0 for ties, both bad and skips
	Propensity float64       `json:"propensity,omitempty"` // probability with which this pair was chosen; 0 if unknown
	Latency    time.Duration `json:"latency_ns,omitempty"` // from showing the pair to the click
	Withdrawn  bool          `json:"withdrawn,omitempty"`
	Created    time.Time     `json:"created,omitzero"`
}

// A Pair is one question of a round, in the order to be shown.
type Pair struct {
	Left       Digest   `json:"left"`
	Right      Digest   `json:"right"`
	Kind       PairKind `json:"kind,omitempty"` // empty in rounds made before kinds were kept
	Reason     string   `json:"reason"`         // why this pair was chosen, for people
	Propensity float64  `json:"propensity"`     // probability with which it was chosen
}

// A Round is 3 to 5 pairs put to one person, each chosen for a stated reason.
type Round struct {
	ID      int64     `json:"id"`
	Series  string    `json:"series"`
	Rater   string    `json:"rater"`
	Pairs   []Pair    `json:"pairs"`
	Created time.Time `json:"created,omitzero"`
}
