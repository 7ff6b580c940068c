package weights

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
)

// pickleNewObj calls a class's __new__; only TorchScript's pickles have it.
const pickleNewObj = 0x81

// A pickleWriter writes pickles of protocol 2 as torch.save and TorchScript do:
// classes and texts that come again are written once and remembered.
type pickleWriter struct {
	bytes.Buffer
	memo     map[string]uint32 // by what was written
	storages []plannedPiece    // in the order of their keys "0", "1", ...
	legacy   bool              // storages are named as in a stream, with room for a view
}

func newPickleWriter() *pickleWriter {
	w := &pickleWriter{memo: make(map[string]uint32)}
	w.op(opProto, 2)
	return w
}

func (w *pickleWriter) op(codes ...byte) { w.Write(codes) }

// once writes an object that cannot change, or a reference to where it was
// written before.
func (w *pickleWriter) once(object string) {
	if n, ok := w.memo[object]; ok {
		w.numbered(opBinGet, opLongBinGet, n)
		return
	}
	n := uint32(len(w.memo))
	w.memo[object] = n
	w.WriteString(object)
	w.numbered(opBinPut, opLongBinPut, n)
}

func (w *pickleWriter) numbered(short, long byte, n uint32) {
	if n < 256 {
		w.op(short, byte(n))
		return
	}
	w.op(long)
	w.Write(binary.LittleEndian.AppendUint32(nil, n))
}

// class writes a reference to MODULE NAME.
func (w *pickleWriter) class(module, name string) { w.once("c" + module + "\n" + name + "\n") }

func (w *pickleWriter) text(s string) {
	w.once(string(binary.LittleEndian.AppendUint32([]byte{opBinUnicode}, uint32(len(s)))) + s)
}

func (w *pickleWriter) number(v int64) {
	switch {
	case v >= 0 && v < 1<<8:
		w.op(opBinInt1, byte(v))
	case v >= 0 && v < 1<<16:
		w.op(opBinInt2, byte(v), byte(v>>8))
	case v == int64(int32(v)):
		w.op(opBinInt)
		w.Write(binary.LittleEndian.AppendUint32(nil, uint32(v)))
	default:
		w.op(opLong1, 8)
		w.Write(binary.LittleEndian.AppendUint64(nil, uint64(v)))
	}
}

func (w *pickleWriter) truth(v bool) {
	if v {
		w.op(opNewTrue)
		return
	}
	w.op(opNewFalse)
}

// numbers writes a tuple.
func (w *pickleWriter) numbers(values []int64) {
	w.op(opMark)
	for _, v := range values {
		w.number(v)
	}
	w.op(opTuple)
}

// orderedDict writes an empty one.
func (w *pickleWriter) orderedDict() {
	w.class("collections", "OrderedDict")
	w.op(opEmptyTuple, opReduce)
}

// value writes what may lie beside tensors.
func (w *pickleWriter) value(v any) error {
	switch v := v.(type) {
	case nil:
		w.op(opNone)
	case bool:
		w.truth(v)
	case int:
		w.number(int64(v))
	case int64:
		w.number(v)
	case float64:
		w.op(opBinFloat)
		w.Write(binary.BigEndian.AppendUint64(nil, math.Float64bits(v)))
	case string:
		w.text(v)
	default:
		return fmt.Errorf("values of type %T cannot be written: %w", v, assay.ErrInvalid)
	}
	return nil
}

// tensor writes a contiguous tensor that has a storage of its own, in the
// computer's memory, without a gradient.
func (w *pickleWriter) tensor(p plannedPiece) error {
	name, ok := storageNames[dtype(p.DType)]
	if !ok {
		return fmt.Errorf("tensor %.100q: PyTorch has no storage of type %q: %w", p.Name, p.DType, assay.ErrInvalid)
	}
	shape := make([]int64, len(p.Shape))
	for i, s := range p.Shape {
		shape[i] = int64(s)
	}
	stride, step := make([]int64, len(shape)), int64(1)
	for i, s := range slices.Backward(shape) {
		stride[i] = step
		step *= max(s, 1)
	}
	w.class("torch._utils", "_rebuild_tensor_v2")
	w.op(opMark, opMark)
	w.text("storage")
	w.class("torch", name)
	w.text(fmt.Sprint(len(w.storages)))
	w.text("cpu")
	w.number(p.length / dtype(p.DType).size())
	if w.legacy {
		w.op(opNone) // the storage is nobody's view
	}
	w.op(opTuple, opBinPersID)
	w.number(0) // offset in the storage
	w.numbers(shape)
	w.numbers(stride)
	w.truth(false)
	w.orderedDict() // backward hooks
	w.op(opTuple, opReduce)
	w.storages = append(w.storages, p)
	return nil
}

// storageNames gives the class that PyTorch names the type by.
var storageNames = func() map[dtype]string {
	names := make(map[dtype]string)
	for class, d := range storageTypes {
		names[d] = strings.TrimPrefix(string(class), "torch ")
	}
	return names
}()
