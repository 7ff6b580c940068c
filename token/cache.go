package token

import "sync"

// Bounds of a cache of words: about a megabyte.
const (
	cacheWords = 8192
	cacheBytes = 32 // longest word kept
)

// A wordCache keeps the ids of short words. The zero wordCache is ready. It is safe
// for concurrent use.
type wordCache struct {
	mu  sync.RWMutex
	ids map[string][]int32
}

// encode appends the ids of one word, from the cache if they are there and else as
// join appends them, which must depend on the word alone.
func (c *wordCache) encode(out []int32, w string, join func(out []int32, w string) []int32) []int32 {
	if len(w) > cacheBytes {
		return join(out, w)
	}
	c.mu.RLock()
	ids, ok := c.ids[w]
	c.mu.RUnlock()
	if !ok {
		ids = join(nil, w)
		c.mu.Lock()
		if c.ids == nil {
			c.ids = map[string][]int32{}
		}
		if len(c.ids) < cacheWords {
			c.ids[w] = ids
		}
		c.mu.Unlock()
	}
	return append(out, ids...)
}
