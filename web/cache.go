package web

import (
	"container/list"
	"sync"

	"github.com/gen-emerge/assay"
)

// thumbCacheBytes bounds the thumbnails kept in memory: some thousands, at
// about 12 kB each.
const thumbCacheBytes = 64 << 20

// A cache keeps encoded pictures up to a number of bytes, and forgets those
// that were not asked for longest.
type cache struct {
	mu    sync.Mutex
	limit int
	size  int
	order *list.List // of *rendered, latest use first
	have  map[assay.Digest]*list.Element
}

// A rendered picture is ready to be sent.
type rendered struct {
	id   assay.Digest
	kind string // Content-Type
	data []byte
}

func newCache(limit int) *cache {
	return &cache{limit: limit, order: list.New(), have: map[assay.Digest]*list.Element{}}
}

func (c *cache) get(id assay.Digest) (*rendered, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.have[id]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*rendered), true
}

func (c *cache) put(p *rendered) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.have[p.id]; ok {
		c.order.MoveToFront(e)
		return
	}
	c.have[p.id] = c.order.PushFront(p)
	c.size += len(p.data)
	for c.size > c.limit {
		last := c.order.Back()
		old := c.order.Remove(last).(*rendered)
		delete(c.have, old.id)
		c.size -= len(old.data)
	}
}
