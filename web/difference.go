package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"image/png"
	"net/http"
	"strings"
	"time"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/pixel"
)

const (
	// differencePixels bounds what two pictures are compared at in their own size:
	// a second or two, and a few hundred megabytes. Larger ones are made smaller.
	differencePixels = 1 << 21
	// differenceSide is the longest side of an overlay whose pictures were made
	// smaller; the page stretches it.
	differenceSide = 1024
	// differenceCacheBytes bounds the overlays kept in memory.
	differenceCacheBytes = 32 << 20
	// differenceFloor is the least that is drawn brightest, so that what nobody can
	// see does not glow.
	differenceFloor = 0.1
)

// A differenceFacts says what an overlay shows.
type differenceFacts struct {
	Reading   assay.Reading `json:"reading"`
	Brightest float64       `json:"brightest"` // the value of the map that is drawn brightest
	Largest   float64       `json:"largest"`   // of the map
}

// difference serves where a picture differs from another, to be laid over the
// picture: a PNG that is clear where they are alike, or, if the address ends in
// .json, the reading behind it.
func (st *site) difference(w http.ResponseWriter, r *http.Request) error {
	other, asJSON := strings.CutSuffix(r.PathValue("other"), ".json")
	var pair [2]assay.Digest
	for i, text := range []string{r.PathValue("id"), other} {
		id, err := assay.ParseDigest(text)
		if err != nil {
			return err
		}
		if _, err := st.series.Entry(r.Context(), id); err != nil {
			return err
		}
		pair[i] = id
	}
	if st.differ == nil {
		return fmt.Errorf("no instrument is installed that says where two pictures differ; run: assay models pull lpips-squeeze: %w", assay.ErrUnavailable)
	}
	in, err := st.differ(r.Context())
	if err != nil {
		return err
	}
	key, err := differenceKey(pair, in.Identity())
	if err != nil {
		return err
	}
	if !asJSON && r.Header.Get("If-None-Match") == `"`+key.String()+`"` {
		w.Header().Set("ETag", `"`+key.String()+`"`)
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	drawn, facts, err := st.drawn(r.Context(), key, pair, in)
	if err != nil {
		return err
	}
	if asJSON {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_, err := w.Write(facts.data)
		return ignoreWrite(err)
	}
	h := w.Header()
	h.Set("Content-Type", drawn.kind)
	h.Set("ETag", `"`+key.String()+`"`)
	h.Set("Cache-Control", "private, no-cache") // another instrument may be installed
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(drawn.data))
	return nil
}

// differenceKey names an overlay by what it is made of.
func differenceKey(pair [2]assay.Digest, by assay.Identity) (assay.Digest, error) {
	text, err := json.Marshal(by)
	if err != nil {
		return assay.Digest{}, err
	}
	return sha256.Sum256(fmt.Appendf(nil, "difference 1\n%s\n%s\n%s", pair[0], pair[1], text)), nil
}

// drawn returns the overlay and the facts about it. One is made at a time: it takes
// every core and much memory. Who asks for one that is being made waits for it.
func (st *site) drawn(ctx context.Context, key assay.Digest, pair [2]assay.Digest, in *metric.Instrument) (drawn, facts *rendered, err error) {
	about := assay.Digest(sha256.Sum256(key[:]))
	have := func() bool {
		var a, b bool
		drawn, a = st.differences.get(key)
		facts, b = st.differences.get(about)
		return a && b
	}
	if have() {
		return drawn, facts, nil
	}
	select {
	case st.drawing <- struct{}{}:
		defer func() { <-st.drawing }()
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	if have() {
		return drawn, facts, nil
	}
	img, told, err := st.compared(ctx, pair, in)
	if err != nil {
		return nil, nil, err
	}
	var b bytes.Buffer
	enc := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := enc.Encode(&b, standard(img)); err != nil {
		return nil, nil, err
	}
	text, err := json.Marshal(told)
	if err != nil {
		return nil, nil, err
	}
	drawn = &rendered{id: key, kind: "image/png", data: b.Bytes()}
	facts = &rendered{id: about, kind: "application/json", data: text}
	st.differences.put(drawn)
	st.differences.put(facts)
	return drawn, facts, nil
}

// compared reads the pair and draws its map in the shape in which browsers show the
// first picture.
func (st *site) compared(ctx context.Context, pair [2]assay.Digest, in *metric.Instrument) (*pixel.Image, differenceFacts, error) {
	var pictures [2]*metric.Picture
	orientation := 0
	for i, id := range pair {
		data, err := st.facts.Blob(ctx, id)
		if err != nil {
			return nil, differenceFacts{}, err
		}
		img, info, err := pixel.Decode(ctx, data, st.series.Limits())
		if err != nil {
			return nil, differenceFacts{}, fmt.Errorf("image %s: %w", id.Short(), err)
		}
		pictures[i] = metric.NewPicture(img)
		if i == 0 {
			orientation = info.Orientation
		}
	}
	a, b := pictures[0], pictures[1]
	if rule := differenceRule(a, b); rule != "" && in.SameSize {
		var err error
		if in, err = in.Resizing(rule); err != nil {
			return nil, differenceFacts{}, err
		}
	}
	r, m, err := in.Map(ctx, a, b)
	if err != nil {
		return nil, differenceFacts{}, err
	}
	r.Image, r.Ref = pair[0], pair[1]
	told := differenceFacts{Reading: r, Largest: float64(m.Max()), Brightest: max(float64(m.Max()), differenceFloor)}
	img := m.Overlay(float32(told.Brightest))
	if m.Width != a.Width || m.Height != a.Height { // the page lays it over the picture by its shape
		f := min(1, differenceSide/float64(max(a.Width, a.Height)))
		side := func(n int) int { return max(1, int(f*float64(n)+0.5)) }
		if img, err = img.Resize(side(a.Width), side(a.Height), pixel.Bilinear); err != nil {
			return nil, differenceFacts{}, err
		}
	}
	return img.Oriented(orientation), told, nil
}

// differenceRule is how two pictures are brought to a size at which an instrument
// that wants one size can compare them soon; empty if they are as they should be.
func differenceRule(a, b *metric.Picture) metric.ResizeRule {
	small := a.Width*a.Height <= differencePixels
	switch {
	case a.Width == b.Width && a.Height == b.Height && small:
		return ""
	case a.Width*b.Height == b.Width*a.Height:
		return metric.ShortSide256
	case small:
		return metric.SecondToFirst
	}
	return metric.Square256
}

// differenceFrom is a link to the overlay of one picture against another: empty
// where no instrument draws it.
func (st *site) differenceFrom(id, other assay.Digest) string {
	if st.differ == nil || other.IsZero() || id == other {
		return ""
	}
	return "/difference/" + id.String() + "/" + other.String()
}
