package weights

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"unicode/utf8"
)

// The values an unpickled stream is made of. Everything else that a pickle
// could describe is refused, so there is nothing here that could act.
//
//	nil, bool, int64, float64, string
//	bigInt    an integer of more than 64 bits, as little-endian bytes
//	tuple     immutable sequence
//	*list     sequence
//	*dict     dictionary, in order of insertion
//	global    an allowed name
//	*storage  a run of values in the file
//	*view     a tensor: a storage with offset, shape and strides
//	*object   an instance of a class of a TorchScript archive
type (
	bigInt string
	tuple  []any
	list   struct{ items []any }
	dict   struct {
		keys, values []any
		ordered      bool // collections.OrderedDict
	}
	storage struct {
		key   string
		dtype dtype
		count int64 // claimed number of values
	}
	view struct {
		of     *storage
		offset int64 // in values
		shape  []int64
		stride []int64 // in values
	}
)

// A global is one of the names that a pickle may mention.
type global string

// The functions and classes that torch.save writes for plain tensors.
const (
	orderedDict      global = "collections OrderedDict"
	rebuildTensor    global = "torch._utils _rebuild_tensor_v2"
	rebuildParameter global = "torch._utils _rebuild_parameter"
	torchSize        global = "torch Size"
)

// storageTypes are the classes of torch storages and what they hold.
var storageTypes = map[global]dtype{
	"torch DoubleStorage":       "float64",
	"torch FloatStorage":        "float32",
	"torch HalfStorage":         "float16",
	"torch BFloat16Storage":     "bfloat16",
	"torch LongStorage":         "int64",
	"torch IntStorage":          "int32",
	"torch ShortStorage":        "int16",
	"torch CharStorage":         "int8",
	"torch ByteStorage":         "uint8",
	"torch BoolStorage":         "bool",
	"torch ComplexFloatStorage": "complex64",
}

// allowed reports whether a pickle may mention the name.
func (g global) allowed() bool {
	switch g {
	case orderedDict, rebuildTensor, rebuildParameter, torchSize:
		return true
	}
	return storageTypes[g] != ""
}

// An unpickler runs the opcodes that torch.save emits and refuses the rest. It
// allocates in proportion to the bytes it has read: no opcode makes more than
// one object, and no length is believed before that many bytes are known to be
// there.
type unpickler struct {
	in    *input
	r     *bufio.Reader
	start int64 // of the pickle in the file
	pos   int64 // bytes read
	left  int64 // bytes that may still be read

	op    int64 // position of the opcode at work, for errors
	code  byte  // that opcode
	stack []any
	marks []int
	memo  map[uint32]any
	steps int64 // opcodes run: a bound on the number of objects made
	pairs int64 // copied into OrderedDicts: the one thing an opcode makes many of

	script  bool // what torch.jit.save writes is allowed
	objects bool // an instance of a TorchScript class was made

	storages map[string]dtype
}

// pickled is what one pickle described.
type pickled struct {
	top      any
	length   int64            // of the pickle in bytes
	steps    int64            // opcodes run
	storages map[string]dtype // every storage mentioned, by key; mixed if types differ
	objects  bool             // it has instances of TorchScript classes
}

// mixed marks a storage that tensors of several types share.
const mixed dtype = "several types"

// unpickle runs the one pickle that starts at offset at of the file and is at
// most length bytes long. With script, it may be one by torch.jit.save.
func (in *input) unpickle(at, length int64, script bool) (pickled, error) {
	u := &unpickler{
		in: in, start: at, left: min(length, in.lim.Header), script: script,
		memo: make(map[uint32]any), storages: make(map[string]dtype),
		r: bufio.NewReaderSize(io.NewSectionReader(in.r, at, length), 32<<10),
	}
	top, err := u.run()
	return pickled{top, u.pos, u.steps, u.storages, u.objects}, err
}

// refuse returns an error that names the file, the opcode and its place.
func (u *unpickler) refuse(format string, args ...any) error {
	return u.in.invalid("pickle opcode %s at byte %d: %s", opcodeName(u.code), u.start+u.op, fmt.Sprintf(format, args...))
}

func (u *unpickler) run() (any, error) {
	for {
		u.op = u.pos
		b, err := u.take(1)
		if err != nil {
			return nil, u.in.invalid("pickle at byte %d has no STOP: %v", u.start, err)
		}
		u.code = b[0]
		u.steps++
		if u.op == 0 && u.code != opProto {
			return nil, u.refuse("a pickle by torch.save starts with PROTO 2")
		}
		if u.code == opStop {
			if len(u.stack) != 1 || len(u.marks) != 0 {
				return nil, u.refuse("%d objects and %d marks are left on the stack, want one object",
					len(u.stack), len(u.marks))
			}
			return u.stack[0], nil
		}
		if err := u.step(); err != nil {
			return nil, err
		}
	}
}

// step runs the opcode u.code.
func (u *unpickler) step() error {
	switch u.code {
	case opProto:
		return u.proto()
	case opNone:
		return u.push(nil)
	case opNewTrue:
		return u.push(true)
	case opNewFalse:
		return u.push(false)
	case opBinInt, opBinInt1, opBinInt2, opLong1, opBinFloat:
		return u.number()
	case opBinUnicode, opShortBinString, opBinString:
		return u.text()
	case opEmptyDict:
		return u.push(&dict{})
	case opEmptyList:
		return u.push(&list{})
	case opEmptyTuple, opTuple1, opTuple2, opTuple3, opTuple:
		return u.tuple()
	case opMark:
		u.marks = append(u.marks, len(u.stack))
		return nil
	case opAppend, opAppends:
		return u.append()
	case opSetItem, opSetItems:
		return u.setItems()
	case opBinPut, opLongBinPut, opBinGet, opLongBinGet:
		return u.remember()
	case opGlobal:
		return u.global()
	case opReduce:
		return u.reduce()
	case opBuild:
		return u.build()
	case opNewObj:
		return u.newObject()
	case opBinPersID:
		return u.persistent()
	}
	return u.refuse("torch.save does not write it for tensors, so it is not run")
}

// take returns the next n bytes, which stay valid until the next call if n is
// small. It allocates only what is known to be there.
func (u *unpickler) take(n int64) ([]byte, error) {
	if n > u.left {
		return nil, fmt.Errorf("%d bytes are claimed and %d are left", n, u.left)
	}
	if n <= 64 { // every fixed-size argument; Peek avoids an allocation
		b, err := u.r.Peek(int(n))
		if err != nil {
			return nil, fmt.Errorf("reading: %w", err)
		}
		u.r.Discard(int(n))
		u.pos, u.left = u.pos+n, u.left-n
		return b, nil
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(u.r, b); err != nil {
		return nil, fmt.Errorf("reading: %w", err)
	}
	u.pos, u.left = u.pos+n, u.left-n
	return b, nil
}

// arg is take for an opcode's argument: the error names the opcode.
func (u *unpickler) arg(n int64) ([]byte, error) {
	b, err := u.take(n)
	if err != nil {
		return nil, u.refuse("%v", err)
	}
	return b, nil
}

// line returns the bytes up to the next newline, which is consumed.
func (u *unpickler) line() ([]byte, error) {
	const longest = 256 // names of modules and classes
	b, err := u.r.Peek(int(min(longest, u.left)))
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		if err != nil && err != io.EOF {
			return nil, u.refuse("reading: %v", err)
		}
		return nil, u.refuse("a name of more than %d bytes", longest)
	}
	b = bytes.Clone(b[:i])
	u.r.Discard(i + 1)
	u.pos, u.left = u.pos+int64(i)+1, u.left-int64(i)-1
	return b, nil
}

func (u *unpickler) push(v any) error {
	u.stack = append(u.stack, v)
	return nil
}

// floor is the height below which the current opcode may not reach: objects
// under the last mark belong to somebody else.
func (u *unpickler) floor() int {
	if len(u.marks) == 0 {
		return 0
	}
	return u.marks[len(u.marks)-1]
}

// pop takes the n topmost objects, in the order they were pushed.
func (u *unpickler) pop(n int) ([]any, error) {
	if len(u.stack)-u.floor() < n {
		return nil, u.refuse("needs %d objects, the stack has %d above its mark", n, len(u.stack)-u.floor())
	}
	at := len(u.stack) - n
	out := u.stack[at:]
	u.stack = u.stack[:at]
	return out, nil
}

// popMark takes everything above the last mark, and the mark.
func (u *unpickler) popMark() ([]any, error) {
	if len(u.marks) == 0 {
		return nil, u.refuse("needs a MARK, there is none")
	}
	at := u.floor()
	u.marks = u.marks[:len(u.marks)-1]
	out := u.stack[at:]
	u.stack = u.stack[:at]
	return out, nil
}

func (u *unpickler) proto() error {
	b, err := u.arg(1)
	if err != nil {
		return err
	}
	if b[0] != 2 || u.op != 0 {
		return u.refuse("protocol %d; torch.save writes protocol 2, once, first", b[0])
	}
	return nil
}

func (u *unpickler) number() error {
	width := int64(1) // of BININT1, and of the length of LONG1
	switch u.code {
	case opBinInt2:
		width = 2
	case opBinInt:
		width = 4
	case opBinFloat:
		width = 8
	}
	b, err := u.arg(width)
	if err != nil {
		return err
	}
	switch u.code {
	case opBinInt:
		return u.push(int64(int32(binary.LittleEndian.Uint32(b))))
	case opBinInt1:
		return u.push(int64(b[0]))
	case opBinInt2:
		return u.push(int64(binary.LittleEndian.Uint16(b)))
	case opBinFloat:
		return u.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
	}
	if b, err = u.arg(int64(b[0])); err != nil { // LONG1: two's complement, little-endian, shortest
		return err
	}
	if len(b) > 8 {
		return u.push(bigInt(b))
	}
	v := int64(0)
	for i, x := range b {
		v |= int64(x) << (8 * i)
	}
	if n := len(b); n > 0 && n < 8 && b[n-1]&0x80 != 0 {
		v -= 1 << (8 * n)
	}
	return u.push(v)
}

func (u *unpickler) text() error {
	width := int64(4)
	if u.code == opShortBinString {
		width = 1
	}
	b, err := u.arg(width)
	if err != nil {
		return err
	}
	n := int64(b[0])
	if width == 4 {
		n = int64(binary.LittleEndian.Uint32(b)) // BINSTRING's is signed: a negative one is then too long
	}
	if b, err = u.arg(n); err != nil {
		return err
	}
	if !utf8.Valid(b) {
		return u.refuse("text of %d bytes is not UTF-8", n)
	}
	return u.push(string(b))
}

func (u *unpickler) tuple() error {
	var items []any
	var err error
	switch u.code {
	case opTuple:
		items, err = u.popMark()
	case opTuple1:
		items, err = u.pop(1)
	case opTuple2:
		items, err = u.pop(2)
	case opTuple3:
		items, err = u.pop(3)
	}
	if err != nil {
		return err
	}
	return u.push(append(make(tuple, 0, len(items)), items...))
}

func (u *unpickler) append() error {
	items, err := u.args(opAppends, 1)
	if err != nil {
		return err
	}
	onto, err := u.pop(1)
	if err != nil {
		return err
	}
	l, ok := onto[0].(*list)
	if !ok {
		return u.refuse("appends to %s, want a list", kind(onto[0]))
	}
	l.items = append(l.items, items...)
	return u.push(l)
}

func (u *unpickler) setItems() error {
	items, err := u.args(opSetItems, 2)
	if err != nil {
		return err
	}
	if len(items)%2 != 0 {
		return u.refuse("a key has no value")
	}
	into, err := u.pop(1)
	if err != nil {
		return err
	}
	d, ok := into[0].(*dict)
	if !ok {
		return u.refuse("sets items of %s, want a dictionary", kind(into[0]))
	}
	for i := 0; i < len(items); i += 2 {
		d.keys = append(d.keys, items[i])
		d.values = append(d.values, items[i+1])
	}
	return u.push(d)
}

// args takes the n operands of an opcode, or everything above the mark if the
// opcode is the variant that takes many. The slice is valid until the next push.
func (u *unpickler) args(many byte, n int) ([]any, error) {
	if u.code == many {
		return u.popMark()
	}
	return u.pop(n)
}

func (u *unpickler) remember() error {
	width := int64(1)
	if u.code == opLongBinPut || u.code == opLongBinGet {
		width = 4
	}
	b, err := u.arg(width)
	if err != nil {
		return err
	}
	key := uint32(b[0])
	if width == 4 {
		key = binary.LittleEndian.Uint32(b)
	}
	if u.code == opBinGet || u.code == opLongBinGet {
		v, ok := u.memo[key]
		if !ok {
			return u.refuse("memo %d was never put", key)
		}
		return u.push(v)
	}
	if len(u.stack) == u.floor() {
		return u.refuse("there is nothing to put in memo %d", key)
	}
	u.memo[key] = u.stack[len(u.stack)-1]
	return nil
}
