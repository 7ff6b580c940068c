package vlm

import (
	"sync"

	"github.com/gen-emerge/assay"
)

// A meter sums what a run spends and tells who wants to know.
type meter struct {
	tell func(assay.Spending)

	telling sync.Mutex // taken first: one call of tell at a time, in order
	mu      sync.Mutex
	sum     assay.Spending
	open    map[assay.Digest]bool // calls that were sent and have no end
}

// add changes the sum and tells it.
func (m *meter) add(change func(*meter)) {
	if m.tell != nil {
		m.telling.Lock()
		defer m.telling.Unlock()
	}
	m.mu.Lock()
	change(m)
	m.sum.InDoubt = int64(len(m.open))
	sum := m.sum
	m.mu.Unlock()
	if m.tell != nil {
		m.tell(sum)
	}
}

func (m *meter) spent() assay.Spending {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sum
}
