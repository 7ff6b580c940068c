package weights

import (
	"cmp"
	"math/bits"
	"slices"
)

// Groups of more than eight members in files of the newer format
// (libver="latest") keep their links in a fractal heap, and a B-tree of version 2
// leads to them by name. Checksums are not looked at.

// A fractal is a fractal heap: a table of blocks whose sizes double row by row.
type fractal struct {
	h            *h5
	idBytes      int
	offsetBytes  int // of a place in the heap
	lengthBytes  int // of an object's length
	width        int
	start, most  int64 // bytes of the first block, and of the largest direct one
	blocks       []fractalBlock
	headerLength int // of a block's own prefix, less a checksum
}

// A fractalBlock is a direct block: a piece of the heap in the file.
type fractalBlock struct{ from, size, at int64 }

// denseLinks lists the links in a heap by the B-tree of their names.
func (h *h5) denseLinks(heap, tree int64) ([]h5link, error) {
	f, err := h.fractal(heap)
	if err != nil {
		return nil, err
	}
	b, err := h.read(tree, int64(4+1+1+4+2+2+1+1+h.offset+2+h.length))
	if err != nil {
		return nil, err
	}
	c := &h5cursor{h: h, b: b}
	c.magic("BTHD")
	c.version("B-tree", 0)
	if kind := c.u8(); kind != 5 && c.err == nil {
		c.fail("type %d, want 5, names of links", kind)
	}
	t := &h5tree{f: f, node: int64(c.u32())}
	record, depth := int(c.u16()), int(c.u16())
	c.skip(2)
	root, count := c.address(), int(c.u16())
	if c.err == nil && (record != 4+f.idBytes || depth > 8 || t.node < 64 || t.node > 1<<20) {
		c.fail("records of %d bytes, depth %d, nodes of %d bytes", record, depth, t.node)
	}
	if c.err != nil {
		return nil, h.wrong("B-tree of links: %v", c.err)
	}
	t.plan(record, depth)
	err = t.visit(root, depth, count)
	return t.links, err
}

// An h5tree is a B-tree of version 2 being read.
type h5tree struct {
	f       *fractal
	node    int64 // bytes of a node
	record  int
	counted int   // bytes of a node's number of records
	totals  []int // bytes of the number of records below a node, by its depth
	links   []h5link
}

// plan computes how wide the numbers of the tree are, as the library does.
func (t *h5tree) plan(record, depth int) {
	const prefix = 10 // signature, version, type, checksum
	t.record = record
	most := (t.node - prefix) / int64(record)
	t.counted = encoded(most)
	t.totals = []int{0}
	below := most
	for d := 1; d <= depth; d++ {
		pointer := int64(t.f.h.offset + t.counted + t.totals[d-1])
		own := max((t.node-prefix-pointer)/(int64(record)+pointer), 0)
		below = min((own+1)*below+own, 1<<40)
		t.totals = append(t.totals, encoded(below))
	}
}

// encoded returns how many bytes hold numbers up to limit.
func encoded(limit int64) int { return (max(bits.Len64(uint64(limit)), 1)-1)/8 + 1 }

// visit reads a node with so many records, and those below it.
func (t *h5tree) visit(at int64, depth, count int) error {
	h := t.f.h
	pointers := 0
	if depth > 0 {
		pointers = (count + 1) * (h.offset + t.counted + t.totals[depth-1])
	}
	size := int64(6 + count*t.record + pointers)
	if size > t.node {
		return h.wrong("B-tree of links: %d records in a node of %d bytes", count, t.node)
	}
	b, err := h.read(at, size)
	if err != nil {
		return err
	}
	c := &h5cursor{h: h, b: b}
	if depth > 0 {
		c.magic("BTIN")
	} else {
		c.magic("BTLF")
	}
	c.version("B-tree node", 0)
	c.skip(1)
	for range count {
		c.skip(4) // the hash of the name
		id := c.take(t.f.idBytes)
		if c.err != nil {
			break
		}
		object, err := t.f.object(id)
		if err != nil {
			return err
		}
		l, err := h.linkMessage(object)
		if err != nil {
			return err
		}
		t.links = append(t.links, l)
	}
	if c.err != nil {
		return h.wrong("B-tree of links: %v", c.err)
	}
	if depth == 0 {
		return nil
	}
	for range count + 1 {
		child, below := c.address(), int(c.uint(t.counted))
		c.skip(t.totals[depth-1])
		if c.err != nil {
			return h.wrong("B-tree of links: %v", c.err)
		}
		if err := t.visit(child, depth-1, below); err != nil {
			return err
		}
	}
	return nil
}

// fractal reads the header of a heap and finds its blocks.
func (h *h5) fractal(at int64) (*fractal, error) {
	b, err := h.read(at, int64(4+1+2+2+1+4+12*h.length+3*h.offset+2+2+2+2))
	if err != nil {
		return nil, err
	}
	f := &fractal{h: h}
	c := &h5cursor{h: h, b: b}
	c.magic("FRHP")
	c.version("fractal heap", 0)
	f.idBytes = int(c.u16())
	filters := c.u16()
	c.skip(1)
	managed := int64(c.u32())
	c.skip(10*h.length + 2*h.offset) // huge and tiny objects, free space
	f.width = int(c.u16())
	f.start, f.most = c.size(), c.size()
	heapBits := int(c.u16())
	c.skip(2)
	root, rows := c.address(), int(c.u16())
	f.offsetBytes, f.lengthBytes = (heapBits+7)/8, min(encoded(f.most), encoded(managed))
	f.headerLength = 5 + h.offset + f.offsetBytes
	switch {
	case c.err != nil:
	case filters != 0:
		c.fail("its blocks went through filters, which is not read")
	case !powerOfTwo(int64(f.width)) || !powerOfTwo(f.start) || !powerOfTwo(f.most) || f.most < f.start || heapBits < 1 || heapBits > 48:
		c.fail("a table of width %d, blocks from %d to %d bytes, %d bits", f.width, f.start, f.most, heapBits)
	case f.idBytes < 1+f.offsetBytes+f.lengthBytes || f.offsetBytes > 8 || f.lengthBytes > 8:
		c.fail("names of objects of %d bytes", f.idBytes)
	}
	if c.err != nil {
		return nil, h.wrong("fractal heap: %v", c.err)
	}
	if rows == 0 {
		f.blocks = []fractalBlock{{0, f.start, root}}
		return f, nil
	}
	if err := f.indirect(root, 0, rows, 0); err != nil {
		return nil, err
	}
	slices.SortFunc(f.blocks, func(a, b fractalBlock) int { return cmp.Compare(a.from, b.from) })
	return f, nil
}

func powerOfTwo(n int64) bool { return n > 0 && n&(n-1) == 0 && n <= 1<<40 }

// rowSize returns the bytes of a block in a row of a table.
func (f *fractal) rowSize(row int) int64 { return f.start << max(row-1, 0) }

// indirect collects the direct blocks that a table of rows leads to; from is the
// place of its first byte in the heap.
func (f *fractal) indirect(at, from int64, rows, depth int) error {
	if depth > 8 || rows > 48 {
		return f.h.wrong("fractal heap: a table of %d rows, %d below the first", rows, depth)
	}
	b, err := f.h.read(at, int64(f.headerLength+rows*f.width*f.h.offset))
	if err != nil {
		return err
	}
	c := &h5cursor{h: f.h, b: b}
	c.magic("FHIB")
	c.version("fractal heap table", 0)
	c.skip(f.headerLength - 5)
	for row := range rows {
		size := f.rowSize(row)
		for range f.width {
			child := c.address()
			if c.err != nil {
				return f.h.wrong("fractal heap: %v", c.err)
			}
			switch {
			case child < 0: // nothing there yet
			case size <= f.most:
				f.blocks = append(f.blocks, fractalBlock{from, size, child})
			default:
				below := bits.Len64(uint64(size)) - bits.Len64(uint64(f.start)*uint64(f.width)) + 1
				if err := f.indirect(child, from, below, depth+1); err != nil {
					return err
				}
			}
			from += size
		}
	}
	return nil
}

// object returns what an identifier names.
func (f *fractal) object(id []byte) ([]byte, error) {
	c := &h5cursor{h: f.h, b: id}
	if kind := c.u8(); kind != 0 {
		return nil, f.h.wrong("fractal heap: an object of kind %#x, which is not read", kind)
	}
	at, n := c.uint(f.offsetBytes), c.uint(f.lengthBytes)
	i, found := slices.BinarySearchFunc(f.blocks, int64(min(at, 1<<62)), func(b fractalBlock, at int64) int { return cmp.Compare(b.from, at) })
	if !found {
		i--
	}
	if c.err != nil || i < 0 || at-uint64(f.blocks[i].from) > uint64(f.blocks[i].size) ||
		n > uint64(f.blocks[i].size)-(at-uint64(f.blocks[i].from)) {
		return nil, f.h.wrong("fractal heap: an object of %d bytes at %d lies in no block", n, at)
	}
	return f.h.read(f.blocks[i].at+int64(at)-f.blocks[i].from, int64(n))
}
