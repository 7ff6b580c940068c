package weights

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// hdf5Magic is how an HDF5 file starts.
var hdf5Magic = []byte("\x89HDF\r\n\x1a\n")

// An h5 is an HDF5 file being read. Its metadata is a web of addresses that may
// point anywhere, at each other and at themselves: so every object is visited
// once, and the bytes of metadata that are read, and those of names and texts
// that are made of them, are counted against what the file can rightly hold.
//
// Format: https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html
type h5 struct {
	in       *input
	offset   int   // bytes of an address: 4 or 8
	length   int   // bytes of a length: 4 or 8
	base     int64 // where addresses count from
	metadata int64 // bytes of metadata that may still be read
	text     int64 // bytes of names and texts that may still be made
	visited  map[int64]bool
	heaps    map[int64]map[uint16][]byte // global heap collections by address
	tensors  map[string]*tensor
	groups   map[string]bool // paths
	extents  []h5extent
	words    map[string]string // texts that the root carries
}

// An h5extent is the values of one tensor in the file.
type h5extent struct {
	start, end int64
	name       string
}

// parseHDF5 reads what h5py and Keras write: groups by symbol tables or by links
// in their headers, datasets that lie in one piece, and attributes of text.
// Datasets in chunks, which may be compressed, are refused by name; so is what
// lies in other files.
//
// A tensor is called by its path without the first slash. Keras makes a group a
// layer and names the datasets in it as the group's attribute weight_names says:
// "conv1/conv1/kernel:0". Every name in weight_names and layer_names must be there.
// The root's texts are the metadata; arrays of text are joined by newlines.
func parseHDF5(in *input) (*Checkpoint, error) {
	h := &h5{
		in: in, metadata: 2*in.size + 64<<10, text: 4*in.size + 64<<10,
		visited: map[int64]bool{}, heaps: map[int64]map[uint16][]byte{}, tensors: map[string]*tensor{}, groups: map[string]bool{}, words: map[string]string{},
	}
	root, err := h.superblock()
	if err == nil {
		err = h.walk("", 0, root)
	}
	if err == nil {
		err = h.disjoint()
	}
	if errors.As(err, new(h5fault)) {
		return nil, in.invalid("HDF5: %v", err)
	}
	if err != nil {
		return nil, err
	}
	return in.finish(HDF5, h.tensors, h.words)
}

// An h5fault is a rule of the format that the file breaks, or a part of the format
// that is not read; other errors are the disk's.
type h5fault string

func (f h5fault) Error() string { return string(f) }

func (h *h5) wrong(format string, args ...any) error { return h5fault(fmt.Sprintf(format, args...)) }

// superblock reads the start of the file and returns the address of the root
// group's header.
func (h *h5) superblock() (root int64, err error) {
	head, err := h.read(0, min(h.in.size, 96))
	if err != nil {
		return 0, err
	}
	c := &h5cursor{h: h, b: head}
	c.skip(len(hdf5Magic))
	version := c.u8()
	switch version {
	case 0, 1:
		c.skip(4)
		h.offset, h.length = int(c.u8()), int(c.u8())
		c.skip(1 + 2 + 2 + 4)
		if version == 1 {
			c.skip(4)
		}
	case 2, 3:
		h.offset, h.length = int(c.u8()), int(c.u8())
		c.skip(1)
	default:
		return 0, h.wrong("a superblock of version %d; 0 to 3 are read", version)
	}
	if c.err == nil && (h.offset != 4 && h.offset != 8 || h.length != 4 && h.length != 8) {
		return 0, h.wrong("addresses of %d bytes and lengths of %d; 4 and 8 are read", h.offset, h.length)
	}
	base, other, end := c.address(), c.address(), c.address()
	if version < 2 {
		c.skip(h.offset) // driver information
		c.skip(h.offset) // the root's name
	}
	root = c.address()
	switch {
	case c.err != nil:
		return 0, h.wrong("a superblock: %v", c.err)
	case base != 0:
		return 0, h.wrong("addresses count from %d; files with a block of their user's before the data are not read", base)
	case version >= 2 && other >= 0:
		return 0, h.wrong("a superblock with an extension, which is not read")
	case end > h.in.size:
		return 0, h.wrong("the file says that it has %d bytes, and %d are there: it was cut off", end, h.in.size)
	}
	return root, nil
}

// read returns n bytes of metadata at an address.
func (h *h5) read(at, n int64) ([]byte, error) {
	if n < 0 || at < 0 || n > h.in.size || at > h.in.size-n {
		return nil, h.wrong("%d bytes at address %d lie outside the file of %d bytes", n, at, h.in.size)
	}
	if h.metadata -= n; h.metadata < 0 {
		return nil, h.wrong("its structures refer to each other too often (a small file that describes a huge tree)")
	}
	if n > h.in.lim.Header {
		return nil, h.wrong("a structure of %d bytes, more than the limit of %d", n, h.in.lim.Header)
	}
	b := make([]byte, n)
	return b, h.in.readAt(b, at)
}

// spell counts n bytes of text that are about to be made.
func (h *h5) spell(n int) error {
	if h.text -= int64(n); h.text < 0 {
		return h.wrong("its names and texts are too long together for a file of %d bytes", h.in.size)
	}
	return nil
}

// walk reads the object whose header is at an address: a dataset, or a group with
// all below it.
func (h *h5) walk(path string, depth int, at int64) error {
	if depth > h.in.lim.Depth {
		return h.wrong("groups are nested deeper than %d", h.in.lim.Depth)
	}
	if h.visited[at] {
		return h.wrong("object %.100q is reached by two names, or contains itself", path)
	}
	h.visited[at] = true
	o, err := h.object(at)
	if err != nil {
		return fmt.Errorf("object %.100q: %w", path, err)
	}
	if o.find(h5Layout) != nil {
		if path == "" {
			return h.wrong("the root is a dataset")
		}
		return h.dataset(path, o)
	}
	links, err := h.links(o)
	if err != nil {
		return fmt.Errorf("group %.100q: %w", path, err)
	}
	h.groups[path] = true
	names := make(map[string]bool, len(links))
	for _, l := range links {
		if names[l.name] {
			return h.wrong("group %.100q has two members named %.100q", path, l.name)
		}
		names[l.name] = true
		full := below(path, l.name)
		if err := h.spell(len(full)); err != nil {
			return err
		}
		if err := h.walk(full, depth+1, l.at); err != nil {
			return err
		}
	}
	return h.named(path, o)
}

// below is the path of a group's member.
func below(path, name string) string {
	if path == "" {
		return name
	}
	return path + "/" + name
}

// named checks the names that Keras lists at a group, and keeps the root's texts.
func (h *h5) named(path string, o *h5object) error {
	for _, m := range o.messages {
		if m.kind != h5Attribute {
			continue
		}
		name, texts, err := h.attribute(m)
		if err != nil {
			return fmt.Errorf("group %.100q, an attribute: %w", path, err)
		}
		list := strings.TrimRight(name, "0123456789") // Keras cuts long lists into layer_names0, layer_names1, ...
		for _, text := range texts {
			if list == "layer_names" && !h.groups[below(path, text)] {
				return h.wrong("group %.100q lists the layer %.100q, which is not there", path, text)
			}
			if list == "weight_names" && h.tensors[below(path, text)] == nil {
				return h.wrong("group %.100q lists the weight %.100q, which is not there", path, text)
			}
		}
		if path == "" && texts != nil {
			h.words[name] = strings.Join(texts, "\n")
		}
	}
	return nil
}

// dataset makes a tensor of a dataset's header.
func (h *h5) dataset(path string, o *h5object) error {
	if len(h.tensors) == h.in.lim.Tensors {
		return h.wrong("more than %d tensors", h.in.lim.Tensors)
	}
	t, err := h.tensor(o)
	if err != nil {
		return h.wrong("dataset %.100q: %v", path, err)
	}
	h.tensors[path] = t
	if t.length > 0 {
		h.extents = append(h.extents, h5extent{t.at, t.at + t.length, path})
	}
	return nil
}

// disjoint refuses tensors that share bytes: a small file that pretends to be
// large, or a damaged one.
func (h *h5) disjoint() error {
	slices.SortFunc(h.extents, func(a, b h5extent) int { return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(a.name, b.name)) })
	for i := 1; i < len(h.extents); i++ {
		if a, b := h.extents[i-1], h.extents[i]; b.start < a.end {
			return h.wrong("datasets %.100q and %.100q share bytes from %d on", a.name, b.name, b.start)
		}
	}
	return nil
}

// An h5link is a member of a group.
type h5link struct {
	name string
	at   int64 // of its object header
}

// link checks a member's name.
func (h *h5) link(name []byte, at int64) (h5link, error) {
	text := string(name)
	switch {
	case text == "" || text == "." || strings.ContainsAny(text, "/\x00") || !utf8.ValidString(text):
		return h5link{}, h.wrong("a member is named %.100q", text)
	case at < 0:
		return h5link{}, h.wrong("member %.100q has no address", text)
	}
	return h5link{text, at}, h.spell(len(text))
}
