package token

// none marks a symbol that was merged into its neighbour, and the ends of a list.
const none = -1

// join appends the ids of one word: its bytes, joined pair by pair, always the pair
// whose merge comes first in the vocabulary, from left to right. A heap of the pairs
// and a linked list of the symbols keep this at n log n for n bytes.
//
// A merge gives a symbol that no earlier merge knows (see build), so the merges a
// new symbol takes part in come later in order than the one that made it. Hence
// joining one pair at a time is the same as the reference's rounds.
func (t *CLIP) join(out []int32, word string) []int32 {
	if len(word) == 1 {
		return append(out, t.last[word[0]])
	}
	ids := make([]int32, len(word))
	next := make([]int32, len(word))
	prev := make([]int32, len(word))
	for i := range len(word) {
		ids[i], next[i], prev[i] = t.plain[word[i]], int32(i+1), int32(i-1)
	}
	ids[len(word)-1], next[len(word)-1] = t.last[word[len(word)-1]], none
	var queue heap
	offer := func(i int32) {
		if i < 0 || next[i] == none {
			return
		}
		if id, ok := t.merge[pair{ids[i], ids[next[i]]}]; ok {
			queue.push(uint64(id)<<32 | uint64(i))
		}
	}
	for i := range len(word) - 1 {
		offer(int32(i))
	}
	for len(queue) > 0 {
		top := queue.pop()
		id, i := int32(top>>32), int32(top&0xFFFFFFFF)
		if ids[i] == none || next[i] == none || t.merge[pair{ids[i], ids[next[i]]}] != id {
			continue // one of the two has been joined elsewhere
		}
		j := next[i]
		ids[i], ids[j], next[i] = id, none, next[j]
		if next[i] != none {
			prev[next[i]] = i
		}
		offer(prev[i])
		offer(i)
	}
	for i := int32(0); i != none; i = next[i] {
		out = append(out, ids[i])
	}
	return out
}

// heap is a binary heap with the smallest number on top.
type heap []uint64

func (h *heap) push(v uint64) {
	*h = append(*h, v)
	s := *h
	for i := len(s) - 1; i > 0; {
		up := (i - 1) / 2
		if s[up] <= s[i] {
			return
		}
		s[up], s[i] = s[i], s[up]
		i = up
	}
}

func (h *heap) pop() uint64 {
	s := *h
	top, n := s[0], len(s)-1
	s[0] = s[n]
	s = s[:n]
	*h = s
	for i := 0; ; {
		down := 2*i + 1
		if down >= n {
			return top
		}
		if down+1 < n && s[down+1] < s[down] {
			down++
		}
		if s[i] <= s[down] {
			return top
		}
		s[i], s[down] = s[down], s[i]
		i = down
	}
}
