package weights

import (
	"bytes"
	"fmt"
)

// The kinds of messages in an object's header that are looked at.
const (
	h5Dataspace    = 0x01
	h5LinkInfo     = 0x02
	h5Datatype     = 0x03
	h5Link         = 0x06
	h5External     = 0x07
	h5Layout       = 0x08
	h5Filters      = 0x0b
	h5Attribute    = 0x0c
	h5Continuation = 0x10
	h5SymbolTable  = 0x11
)

// An h5object is the header of a group or dataset.
type h5object struct{ messages []h5message }

// An h5message is one message of a header.
type h5message struct {
	kind   uint16
	shared bool // the body says where the message is
	body   []byte
	at     int64 // of the body in the file
}

// find returns the first message of a kind, or nil.
func (o *h5object) find(kind uint16) *h5message {
	for i := range o.messages {
		if o.messages[i].kind == kind {
			return &o.messages[i]
		}
	}
	return nil
}

// need returns the one message of a kind, which must lie in the header itself.
func (o *h5object) need(kind uint16, what string) ([]byte, error) {
	m := o.find(kind)
	switch {
	case m == nil:
		return nil, fmt.Errorf("the header has no %s", what)
	case m.shared:
		return nil, fmt.Errorf("its %s is shared with another object, which is not read", what)
	}
	return m.body, nil
}

// An h5chunk is a piece of an object's header.
type h5chunk struct{ at, size int64 }

// object reads a header with its continuations.
func (h *h5) object(at int64) (*h5object, error) {
	prefix, err := h.read(at, min(16, h.in.size-at))
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(prefix, []byte("OHDR")) {
		return h.objectV2(at)
	}
	c := &h5cursor{h: h, b: prefix}
	c.version("object header", 1)
	c.skip(1 + 2 + 4) // the number of messages follows from their sizes; links that count on it
	size := int64(c.u32())
	if c.err != nil {
		return nil, h.wrong("%v", c.err)
	}
	o := &h5object{}
	chunks := []h5chunk{{at + 16, size}}
	for len(chunks) > 0 {
		chunk := chunks[0]
		chunks = chunks[1:]
		b, err := h.read(chunk.at, chunk.size)
		if err != nil {
			return nil, err
		}
		c := &h5cursor{h: h, b: b}
		for c.left() >= 8 && c.err == nil {
			m := h5message{kind: c.u16()}
			n := int(c.u16())
			m.shared = c.u8()&2 != 0
			c.skip(3)
			m.at = chunk.at + int64(c.at)
			m.body = c.take(n)
			chunks = o.add(h, c, m, chunks)
		}
		if c.err != nil {
			return nil, h.wrong("object header: %v", c.err)
		}
	}
	return o, nil
}

// add keeps a message, or the chunk it continues with.
func (o *h5object) add(h *h5, c *h5cursor, m h5message, chunks []h5chunk) []h5chunk {
	if c.err != nil || m.kind != h5Continuation {
		o.messages = append(o.messages, m)
		return chunks
	}
	next := &h5cursor{h: h, b: m.body}
	chunk := h5chunk{next.address(), next.size()}
	if next.err != nil {
		c.fail("continuation: %v", next.err)
	}
	return append(chunks, chunk)
}

// objectV2 reads a header of version 2, as files of libver="latest" have. Its
// checksums are not looked at.
func (h *h5) objectV2(at int64) (*h5object, error) {
	prefix, err := h.read(at, min(64, h.in.size-at))
	if err != nil {
		return nil, err
	}
	c := &h5cursor{h: h, b: prefix}
	c.magic("OHDR")
	c.version("object header", 2)
	flags := c.u8()
	if flags&0x20 != 0 {
		c.skip(16) // times
	}
	if flags&0x10 != 0 {
		c.skip(4) // bounds of attribute storage
	}
	size := c.uint(1 << (flags & 3))
	if c.err == nil && size > uint64(h.in.size) {
		c.fail("%d bytes are claimed", size)
	}
	if c.err != nil {
		return nil, h.wrong("object header: %v", c.err)
	}
	o := &h5object{}
	chunks, ordered := []h5chunk{{at + int64(c.at), int64(size)}}, flags&4 != 0
	for first := true; len(chunks) > 0; first = false {
		chunk := chunks[0]
		chunks = chunks[1:]
		b, err := h.read(chunk.at, chunk.size)
		if err != nil {
			return nil, err
		}
		c := &h5cursor{h: h, b: b}
		if !first { // a signature before, a checksum behind
			c.magic("OCHK")
			c.b = c.b[:max(len(c.b)-4, c.at)]
		}
		least := 4
		if ordered {
			least = 6
		}
		for c.left() >= least && c.err == nil { // what is left is a gap
			m := h5message{kind: uint16(c.u8())}
			n := int(c.u16())
			m.shared = c.u8()&2 != 0
			if ordered {
				c.skip(2)
			}
			m.at = chunk.at + int64(c.at)
			m.body = c.take(n)
			chunks = o.add(h, c, m, chunks)
		}
		if c.err != nil {
			return nil, h.wrong("object header: %v", c.err)
		}
	}
	return o, nil
}

// links lists the members of a group, in the order of the file.
func (h *h5) links(o *h5object) ([]h5link, error) {
	var links []h5link
	if m := o.find(h5SymbolTable); m != nil {
		c := &h5cursor{h: h, b: m.body}
		tree, heap := c.address(), c.address()
		if c.err != nil {
			return nil, h.wrong("symbol table: %v", c.err)
		}
		names, err := h.localHeap(heap)
		if err != nil {
			return nil, err
		}
		return h.symbols(nil, names, tree, -1)
	}
	if m := o.find(h5LinkInfo); m != nil {
		c := &h5cursor{h: h, b: m.body}
		c.version("link information", 0)
		if flags := c.u8(); flags&1 != 0 {
			c.skip(8)
		}
		heap, tree := c.address(), c.address()
		if c.err != nil {
			return nil, h.wrong("link information: %v", c.err)
		}
		if heap >= 0 {
			return h.denseLinks(heap, tree)
		}
	}
	for _, m := range o.messages {
		if m.kind != h5Link {
			continue
		}
		l, err := h.linkMessage(m.body)
		if err != nil {
			return nil, err
		}
		links = append(links, l)
	}
	return links, nil
}

// linkMessage reads a link as groups of the newer format keep it.
func (h *h5) linkMessage(body []byte) (h5link, error) {
	c := &h5cursor{h: h, b: body}
	c.version("link", 1)
	flags := c.u8()
	kind := byte(0)
	if flags&8 != 0 {
		kind = c.u8()
	}
	if flags&4 != 0 {
		c.skip(8) // creation order
	}
	if flags&16 != 0 {
		c.skip(1) // ASCII or UTF-8
	}
	n := c.uint(1 << (flags & 3))
	if n > uint64(len(body)) {
		c.fail("a name of %d bytes", n)
		n = 0
	}
	name := c.take(int(n))
	if kind != 0 && c.err == nil {
		c.fail("member %.100q is a link of type %d, to a path or to another file; only members that lie here are read", name, kind)
	}
	at := c.address()
	if c.err != nil {
		return h5link{}, h.wrong("link: %v", c.err)
	}
	return h.link(name, at)
}

// localHeap reads the names of a group's members.
func (h *h5) localHeap(at int64) ([]byte, error) {
	b, err := h.read(at, int64(8+2*h.length+h.offset))
	if err != nil {
		return nil, err
	}
	c := &h5cursor{h: h, b: b}
	c.magic("HEAP")
	c.version("local heap", 0)
	c.skip(3)
	size := c.size()
	c.skip(h.length) // the first free block
	data := c.address()
	if c.err != nil {
		return nil, h.wrong("local heap: %v", c.err)
	}
	return h.read(data, size)
}

// symbols adds the members that a node of a group's B-tree leads to. The level
// is that of the node above less one, so that a loop ends; −1 at the top.
func (h *h5) symbols(links []h5link, names []byte, at int64, level int) ([]h5link, error) {
	b, err := h.read(at, int64(8+2*h.offset))
	if err != nil {
		return nil, err
	}
	c := &h5cursor{h: h, b: b}
	c.magic("TREE")
	if kind := c.u8(); kind != 0 {
		c.fail("type %d, want 0, a group's", kind)
	}
	own, entries := int(c.u8()), int(c.u16())
	if level >= 0 && own != level {
		c.fail("level %d under level %d", own, level+1)
	}
	if c.err != nil {
		return nil, h.wrong("B-tree: %v", c.err)
	}
	if b, err = h.read(at+int64(len(b)), int64(entries*(h.length+h.offset))); err != nil {
		return nil, err
	}
	c = &h5cursor{h: h, b: b}
	for range entries {
		c.skip(h.length) // the key
		child := c.address()
		if own > 0 {
			links, err = h.symbols(links, names, child, own-1)
		} else {
			links, err = h.symbolNode(links, names, child)
		}
		if err != nil {
			return nil, err
		}
	}
	return links, nil
}

// symbolNode adds the members in a leaf.
func (h *h5) symbolNode(links []h5link, names []byte, at int64) ([]h5link, error) {
	b, err := h.read(at, 8)
	if err != nil {
		return nil, err
	}
	c := &h5cursor{h: h, b: b}
	c.magic("SNOD")
	c.version("symbol node", 1)
	c.skip(1)
	n := int(c.u16())
	if c.err != nil {
		return nil, h.wrong("symbol node: %v", c.err)
	}
	if b, err = h.read(at+8, int64(n*(2*h.offset+24))); err != nil {
		return nil, err
	}
	c = &h5cursor{h: h, b: b}
	for range n {
		name, object, cache := c.address(), c.address(), c.u32()
		c.skip(20)
		if name < 0 || name >= int64(len(names)) {
			return nil, h.wrong("symbol node: a name at byte %d of a heap of %d bytes", name, len(names))
		}
		text, _, closed := bytes.Cut(names[name:], []byte{0})
		if !closed || len(text) > 1<<16 {
			return nil, h.wrong("symbol node: a name without an end")
		}
		if cache == 2 {
			return nil, h.wrong("member %.100q is a link to a path; only members that lie here are read", text)
		}
		l, err := h.link(text, object)
		if err != nil {
			return nil, err
		}
		links = append(links, l)
	}
	return links, nil
}
