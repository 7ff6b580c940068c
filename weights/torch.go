package weights

import (
	"archive/zip"
	"encoding/binary"
	"strings"
)

// torchMagic is how a legacy stream starts: PROTO 2, LONG1 of 10 bytes holding
// PyTorch's magic number 0x1950a86a20f9469cfc6c, STOP.
var torchMagic = []byte("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.")

// legacyProtocol is the version in the second pickle of a legacy stream. No
// other was ever written.
const legacyProtocol = 1001

// parseTorchZip reads what torch.save has written since PyTorch 1.6: a zip
// archive with one folder, in it data.pkl and each storage as data/KEY. What
// torch.jit.save writes looks the same, with a program beside it, which is not
// looked at. The pickle and the storages may not be compressed.
func parseTorchZip(in *input, folder string, files map[string]*zip.File, container Container) (*Checkpoint, error) {
	if order, ok := files[folder+"byteorder"]; ok {
		if err := in.littleEndian(order); err != nil {
			return nil, err
		}
	}
	at, length, err := in.stored(files[folder+"data.pkl"])
	if err != nil {
		return nil, err
	}
	if length > in.lim.Header {
		return nil, in.invalid("data.pkl has %d bytes, more than the limit of %d", length, in.lim.Header)
	}
	p, err := in.unpickle(at, length, true)
	if err != nil {
		return nil, err
	}
	if p.length != length {
		return nil, in.invalid("data.pkl: %d bytes follow its STOP", length-p.length)
	}
	found := make(map[string]run)
	locate := func(s *storage) (run, error) {
		r, ok := found[s.key]
		if !ok {
			f, ok := files[folder+"data/"+s.key]
			if !ok && strings.Trim(s.key, "0123456789") == "" { // some writers leave the folder out
				f, ok = files[folder+s.key]
			}
			if !ok {
				return run{}, in.invalid("storage %.100q is not in the archive", s.key)
			}
			var err error
			if r.at, r.length, err = in.stored(f); err != nil {
				return run{}, err
			}
			found[s.key] = r
		}
		// Divided, not multiplied: a claimed count may overflow.
		if r.length%s.dtype.size() != 0 || r.length/s.dtype.size() != s.count {
			return run{}, in.invalid("storage %.100q: %d values of %s are claimed, %d bytes are present",
				s.key, s.count, s.dtype, r.length)
		}
		return r, nil
	}
	if p.objects {
		container = TorchScript
	}
	return in.flatten(container, p, locate)
}

// littleEndian checks the entry in which PyTorch 2 says how values are stored.
func (in *input) littleEndian(f *zip.File) error {
	at, length, err := in.stored(f)
	if err != nil {
		return err
	}
	order := make([]byte, min(length, 16))
	if err := in.readAt(order, at); err != nil {
		return err
	}
	if string(order) != "little" {
		return in.invalid("values are stored in byte order %q, only \"little\" is supported", order)
	}
	return nil
}

// A run is a storage's place in the file, in bytes.
type run struct{ at, length int64 }

// parseLegacy reads what torch.save wrote before PyTorch 1.6: five pickles in a
// row (magic number, protocol, system, the object, the list of storage keys),
// then for each key the number of values as an int64 and the values.
func parseLegacy(in *input) (*Checkpoint, error) {
	at := int64(len(torchMagic))
	var pickles [4]pickled // protocol, system, object, keys
	for i := range pickles {
		var err error
		if pickles[i], err = in.unpickle(at, in.size-at, false); err != nil {
			return nil, err
		}
		at += pickles[i].length
	}
	protocol, system, object, keys := pickles[0].top, pickles[1].top, pickles[2], pickles[3].top
	if protocol != int64(legacyProtocol) {
		return nil, in.invalid("legacy stream of protocol %s, want %d", describe(protocol), legacyProtocol)
	}
	if err := in.legacySystem(system); err != nil {
		return nil, err
	}
	runs, err := in.legacyStorages(keys, object.storages, at)
	if err != nil {
		return nil, err
	}
	return in.flatten(TorchLegacy, object, func(s *storage) (run, error) {
		r, ok := runs[s.key]
		if !ok {
			return run{}, in.invalid("storage %.100q is not in the file's list of storages", s.key)
		}
		if r.length%s.dtype.size() != 0 || r.length/s.dtype.size() != s.count {
			return run{}, in.invalid("storage %.100q: %d values of %s are claimed, %d bytes are present",
				s.key, s.count, s.dtype, r.length)
		}
		return r, nil
	})
}

// legacySystem checks the third pickle: a dictionary that says, among other
// things, whether values are little-endian.
func (in *input) legacySystem(system any) error {
	d, ok := system.(*dict)
	if !ok {
		return in.invalid("system information is %s, want a dictionary", kind(system))
	}
	for i, key := range d.keys {
		if key == "little_endian" && d.values[i] == true {
			return nil
		}
	}
	return in.invalid("values are not stored little-endian, which alone is supported")
}

// legacyStorages walks the storages that follow the last pickle, the first at
// offset at. How long a value is follows from the types, which the object gives.
func (in *input) legacyStorages(keys any, types map[string]dtype, at int64) (map[string]run, error) {
	list, ok := keys.(*list)
	if !ok {
		return nil, in.invalid("storage keys are %s, want a list", kind(keys))
	}
	runs := make(map[string]run, len(list.items))
	for _, item := range list.items {
		key, ok := item.(string)
		if !ok {
			return nil, in.invalid("a storage key is %s, want text", kind(item))
		}
		if _, ok := runs[key]; ok {
			return nil, in.invalid("storage %.100q is listed twice", key)
		}
		size := types[key].size()
		if size == 0 {
			return nil, in.invalid("storage %.100q: the tensors give it no one type (%q), so its length is not known", key, types[key])
		}
		var head [8]byte
		if err := in.readAt(head[:], at); err != nil {
			return nil, err
		}
		at += int64(len(head))
		count := int64(binary.LittleEndian.Uint64(head[:]))
		if count < 0 || count > (in.size-at)/size {
			return nil, in.invalid("storage %.100q: %d values of %s are claimed, %d bytes are left",
				key, count, types[key], in.size-at)
		}
		runs[key] = run{at, count * size}
		at += count * size
	}
	if at != in.size {
		return nil, in.invalid("%d bytes follow the last storage", in.size-at)
	}
	return runs, nil
}

// placed checks the place of one tensor.
func (in *input) placed(name string, v *view, locate func(*storage) (run, error)) (*tensor, error) {
	r, err := locate(v.of)
	if err != nil {
		return nil, err
	}
	t, err := in.place(layout{
		dtype: v.of.dtype, shape: v.shape, stride: v.stride,
		offset: v.offset, storage: v.of.count, base: r.at,
	})
	if err != nil {
		return nil, in.invalid("tensor %.100q: %v", name, err)
	}
	return t, nil
}

// flatten names every tensor of the unpickled object by its path and checks its
// place; locate finds a storage.
func (in *input) flatten(kind Container, p pickled, locate func(*storage) (run, error)) (*Checkpoint, error) {
	tensors := make(map[string]*tensor)
	// A name can be longer than what the pickle spends on it, since keys can be
	// shared; all names together may not be much longer.
	names := 8*p.length + 64<<10
	named := func(path []string) (string, error) {
		for _, part := range path {
			names -= int64(len(part)) + 1
		}
		if names < 0 {
			return "", in.invalid("the names of the tensors are too long together for a pickle of %d bytes", p.length)
		}
		return strings.Join(path, "."), nil
	}
	metadata, err := in.scalars(p.top)
	if err != nil {
		return nil, err
	}
	w := &walker{in: in, visits: visitsFor(p.steps), each: func(path []string, v *view) error {
		name, err := named(path)
		if err != nil {
			return err
		}
		if len(path) == 0 {
			name = "tensor"
		}
		if _, ok := tensors[name]; ok {
			return in.invalid("two tensors are named %.100q", name)
		}
		if len(tensors) == in.lim.Tensors {
			return in.invalid("more than %d tensors", in.lim.Tensors)
		}
		tensors[name], err = in.placed(name, v, locate)
		return err
	}, value: func(path []string, text string) error {
		name, err := named(path)
		if err != nil {
			return err
		}
		if _, ok := metadata[name]; ok {
			return in.invalid("two attributes are named %.100q", name)
		}
		metadata[name] = text
		return nil
	}}
	if err := w.walk(p.top); err != nil {
		return nil, err
	}
	if kind == TorchScript && len(tensors) == 0 {
		return nil, in.invalid("the TorchScript archive holds no tensors outside its program, " +
			"as torch.jit.freeze leaves it; save the module before it is frozen")
	}
	return in.finish(kind, tensors, metadata)
}
