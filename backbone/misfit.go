package backbone

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
)

// A misfit collects what keeps a checkpoint from being a network's: the names of
// tensors by what is wrong with them.
type misfit struct {
	wrong, missing, spare, twice []string
}

// need notes what is wrong with a tensor that must be there.
func (m *misfit) need(src Source, name string, shape []int) {
	got, ok := src.Shape(name)
	switch {
	case !ok:
		m.missing = append(m.missing, fmt.Sprintf("%q %v", name, shape))
	case !slices.Equal(got, shape):
		m.wrong = append(m.wrong, fmt.Sprintf("%q is %v, want %v", name, got, shape))
	}
}

// others notes every tensor that known does not know.
func (m *misfit) others(src Source, known func(name string) bool) {
	for _, name := range src.Names() {
		if !known(name) {
			m.spare = append(m.spare, fmt.Sprintf("%q", name))
		}
	}
}

// err says all that is wrong, or nothing. It wraps [assay.ErrInvalid].
func (m *misfit) err(who string) error {
	var faults []string
	for _, f := range []struct {
		what  string
		names []string
	}{{"of another shape", m.wrong}, {"missing", m.missing}, {"without use", m.spare}, {"there twice", m.twice}} {
		if len(f.names) > 0 {
			faults = append(faults, fmt.Sprintf("%d tensors %s: %s", len(f.names), f.what, listed(f.names)))
		}
	}
	if faults == nil {
		return nil
	}
	return fmt.Errorf("the checkpoint does not hold %s: %s: %w", who, strings.Join(faults, "; "), assay.ErrInvalid)
}
