package judgetest

import (
	"context"
	"encoding/base64"
	"fmt"
	"hash/maphash"
	"math"
	"sync"

	"github.com/gen-emerge/assay/pixel"
)

// A gallery recognises pictures. What it was once sent it knows by its bytes.
type gallery struct {
	within float64 // distance at which a picture is still a registered one

	mu    sync.RWMutex
	known []hung
	sent  map[sum]*arrival
}

// hung is a registered picture.
type hung struct {
	name    string
	painted string
	look    *look
}

// sum stands for the base64 text of a picture that was sent.
type sum struct {
	hash uint64
	size int
}

// An arrival is a picture that was sent.
type arrival struct {
	once sync.Once
	look *look
	err  error

	mu    sync.Mutex // guards what follows
	known int        // registered pictures when seen was made
	seen  Seen
}

var hashSeed = maphash.MakeSeed()

func (g *gallery) hang(name, painted string, l *look) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, h := range g.known {
		if h.name == name {
			return fmt.Errorf("picture %q is registered already", name)
		}
	}
	g.known = append(g.known, hung{name, painted, l})
	return nil
}

// see decodes and recognises a picture in base64.
func (g *gallery) see(encoded []byte) (Seen, error) {
	id := sum{maphash.Bytes(hashSeed, encoded), len(encoded)}
	g.mu.RLock()
	a := g.sent[id]
	known := g.known
	g.mu.RUnlock()
	if a == nil {
		g.mu.Lock()
		if a = g.sent[id]; a == nil {
			a = &arrival{known: -1}
			g.sent[id] = a
		}
		g.mu.Unlock()
	}
	a.once.Do(func() { a.look, a.err = decode(encoded) })
	if a.err != nil {
		return Seen{}, a.err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known != len(known) {
		a.seen, a.known = recognise(a.look, known, g.within), len(known)
		for _, h := range a.look.halves {
			a.seen.halves = append(a.seen.halves, recognise(h, known, g.within))
		}
	}
	return a.seen, nil
}

func decode(encoded []byte) (*look, error) {
	data := make([]byte, base64.StdEncoding.DecodedLen(len(encoded)))
	n, err := base64.StdEncoding.Decode(data, encoded)
	if err != nil {
		return nil, err
	}
	img, info, err := pixel.Decode(context.Background(), data[:n], pixel.Limits{})
	if err != nil {
		return nil, err
	}
	l, err := lookAt(img)
	if err != nil {
		return nil, err
	}
	l.format = info.Format
	return l, nil
}

// recognise finds the registered picture that l shows: the nearest as it is, or
// failing that the nearest with channels exchanged, mirrored, or with its tiles in
// another order.
func recognise(l *look, known []hung, within float64) Seen {
	seen := Seen{Distance: math.Inf(1), Facts: l.facts, Format: l.format, look: l}
	nearest := func(distance func(m *look) float64, limit float64) (hung, float64, bool) {
		best, at := math.Inf(1), -1
		for i, h := range known {
			if d := distance(h.look); d < best {
				best, at = d, i
			}
		}
		if at < 0 {
			return hung{}, best, false
		}
		return known[at], best, best <= limit
	}
	h, d, ok := nearest(l.distance, within)
	seen.Distance = d
	if !ok && d <= 2.5*within { // a copy of poor quality: other levels, the same scene
		ok = l.correlation(h.look) >= 0.9
	}
	if ok {
		seen.Name, seen.Painted = h.name, h.painted
		seen.damage, seen.Altered = l.damage(h.look)
		return seen
	}
	for _, way := range []struct {
		name     string
		distance func(m *look) float64
		limit    float64
	}{
		{"channels swapped", l.swapped, within / 2},
		{"mirrored", l.mirrored, within / 2},
		{"shuffled", l.toneDistance, 0.08},
	} {
		if h, _, ok := nearest(way.distance, way.limit); ok && !h.look.facts.Plain {
			seen.Name, seen.Altered, seen.damage = h.name, way.name, 100
			if way.name == "mirrored" {
				seen.damage = 0 // a mirrored picture is none the worse
			}
			return seen
		}
	}
	return seen
}

// Same reports whether s and t show the same picture: equal pixels, but for
// scale and encoding.
func (s Seen) Same(t Seen) bool {
	if s.look == nil || t.look == nil {
		return false
	}
	return s.look.distance(t.look) < 1.5 && rms(s.look.fine, t.look.fine, nil) < 2 &&
		math.Abs(s.Sharpness-t.Sharpness) <= 0.1*max(s.Sharpness, t.Sharpness)+0.2
}

// Mirrors reports whether t is s turned left to right.
func (s Seen) Mirrors(t Seen) bool {
	return s.look != nil && t.look != nil && s.look.mirrored(t.look) < 2.5
}

// Symmetric reports whether the left half of s mirrors its right half.
func (s Seen) Symmetric() bool { return s.Mirrors(s) }

// Worse says which of two pictures is an altered copy of the other: +1 if t is,
// −1 if s is, 0 if neither is or it cannot be told. Of registered pictures the one
// that differs more from its original is the copy. Of others only a blurred copy
// is told, by its softer edges, and a JPEG of low quality, by its grid.
func (s Seen) Worse(t Seen) int {
	if s.look == nil || t.look == nil {
		return 0
	}
	if s.Name != "" && s.Name == t.Name {
		switch {
		case t.damage > s.damage+1.5:
			return 1
		case s.damage > t.damage+1.5:
			return -1
		}
		return 0
	}
	if s.Name != "" || t.Name != "" || s.look.distance(t.look) > 6 || s.Same(t) {
		return 0
	}
	switch {
	case t.Blockiness > 1.3*s.Blockiness, t.Sharpness < 0.85*s.Sharpness:
		return 1
	case s.Blockiness > 1.3*t.Blockiness, s.Sharpness < 0.85*t.Sharpness:
		return -1
	}
	return 0
}
