package weights

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// dataFile finds a real checkpoint, or skips (or fails, where ASSAY_TEST_REQUIRE
// has the word "data").
func dataFile(t testing.TB, name string) string {
	t.Helper()
	root := os.Getenv("ASSAY_TEST_DATA")
	if root == "" {
		root = filepath.Join("..", "..", "shared", "data")
	}
	path := filepath.Join(root, "weights", filepath.FromSlash(name))
	if _, err := os.Stat(path); err != nil {
		if slices.Contains(strings.Split(os.Getenv("ASSAY_TEST_REQUIRE"), ","), "data") {
			t.Fatalf("test data is required: %v", err)
		}
		t.Skipf("no test data at %s (set ASSAY_TEST_DATA)", path)
	}
	return path
}

// openBytes parses a checkpoint from memory.
func openBytes(data []byte, lim Limits) (*Checkpoint, error) {
	return parse(bytes.NewReader(data), int64(len(data)), "test", lim)
}

// A pickler writes pickles opcode by opcode.
type pickler struct{ bytes.Buffer }

func newPickle() *pickler {
	p := &pickler{}
	p.WriteString("\x80\x02")
	return p
}

func (p *pickler) op(codes ...byte) *pickler { p.Write(codes); return p }
func (p *pickler) raw(s string) *pickler     { p.WriteString(s); return p }
func (p *pickler) global(name string) *pickler {
	return p.raw("c" + strings.Replace(name, " ", "\n", 1) + "\n")
}
func (p *pickler) u32(code byte, v uint32) *pickler {
	p.WriteByte(code)
	p.Write(binary.LittleEndian.AppendUint32(nil, v))
	return p
}

func (p *pickler) str(s string) *pickler { return p.u32(opBinUnicode, uint32(len(s))).raw(s) }

// py2 writes text as Python 2 does.
func (p *pickler) py2(s string) *pickler { return p.op(opShortBinString, byte(len(s))).raw(s) }

// num writes any int64 as LONG1.
func (p *pickler) num(v int64) *pickler {
	p.op(opLong1, 8)
	p.Write(binary.LittleEndian.AppendUint64(nil, uint64(v)))
	return p
}

func (p *pickler) nums(values ...int64) *pickler {
	p.op(opMark)
	for _, v := range values {
		p.num(v)
	}
	return p.op(opTuple)
}

// tensor writes a call of _rebuild_tensor_v2.
func (p *pickler) tensor(key, class string, count, offset int64, shape, stride []int64) *pickler {
	p.global(string(rebuildTensor)).op(opMark)
	p.op(opMark).str("storage").global("torch "+class).str(key).str("cpu").num(count).op(opTuple, opBinPersID)
	p.num(offset).nums(shape...).nums(stride...).op(opNewFalse)
	return p.global(string(orderedDict)).op(opEmptyTuple, opReduce, opTuple, opReduce)
}

// module starts an instance of a TorchScript class; attributes and end follow.
func (p *pickler) module(class string) *pickler {
	return p.global("__torch__.net "+class).op(opEmptyTuple, opNewObj, opEmptyDict, opMark)
}

// end gives the module what followed it.
func (p *pickler) end() *pickler { return p.op(opSetItems, opBuild) }

func (p *pickler) stop() []byte { p.WriteByte(opStop); return p.Bytes() }

// An entry is a file of a test zip.
type entry struct {
	name   string
	data   []byte
	method uint16
}

func zipOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, e := range entries {
		f, err := w.CreateHeader(&zip.FileHeader{Name: e.name, Method: e.method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// torchZip wraps a pickle and storages "0", "1", ... in the zip container.
func torchZip(t testing.TB, pickle []byte, storages ...[]byte) []byte {
	entries := []entry{{name: "any name/data.pkl", data: pickle}, {name: "any name/byteorder", data: []byte("little")}}
	for i, s := range storages {
		entries = append(entries, entry{name: fmt.Sprintf("any name/data/%d", i), data: s})
	}
	return zipOf(t, entries...)
}

// torchLegacy wraps a pickle and float32 storages "0", "1", ... in the legacy
// container, as Python 2 wrote it.
func torchLegacy(pickle []byte, storages ...[]byte) []byte {
	out := bytes.NewBuffer(bytes.Clone(torchMagic))
	out.Write(newPickle().op(opBinInt2, 0xe9, 0x03).stop())
	out.Write(newPickle().op(opEmptyDict, opMark).py2("little_endian").op(opNewTrue, opSetItems).stop())
	out.Write(pickle)
	keys := newPickle().op(opEmptyList, opMark)
	for i := range storages {
		keys.py2(fmt.Sprint(i))
	}
	out.Write(keys.op(opAppends).stop())
	for _, s := range storages {
		out.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(s)/4)))
		out.Write(s)
	}
	return out.Bytes()
}

// safetensorsOf wraps a header and values.
func safetensorsOf(header string, values []byte) []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(out, header...), values...)
}

// A row is a float32 tensor to be written.
type row struct {
	name  string
	shape []int64
	data  []byte
}

func rowMajorStride(shape []int64) []int64 {
	stride, step := make([]int64, len(shape)), int64(1)
	for i := len(shape) - 1; i >= 0; i-- {
		stride[i] = step
		step *= shape[i]
	}
	return stride
}

// pickleOf writes an OrderedDict of tensors, one storage each.
func pickleOf(rows []row) (pickle []byte, storages [][]byte) {
	p := newPickle().global(string(orderedDict)).op(opEmptyTuple, opReduce, opMark)
	for i, r := range rows {
		p.str(r.name).tensor(fmt.Sprint(i), "FloatStorage", int64(len(r.data)/4), 0, r.shape, rowMajorStride(r.shape))
		storages = append(storages, r.data)
	}
	return p.op(opSetItems).stop(), storages
}

func safetensorsRows(rows []row) []byte {
	var header strings.Builder
	var values []byte
	header.WriteString(`{"__metadata__":{"format":"pt"}`)
	for _, r := range rows {
		shape := strings.ReplaceAll(fmt.Sprint(r.shape), " ", ",")
		fmt.Fprintf(&header, `,%q:{"dtype":"F32","shape":%s,"data_offsets":[%d,%d]}`,
			r.name, shape, len(values), len(values)+len(r.data))
		values = append(values, r.data...)
	}
	header.WriteString("}   ")
	return safetensorsOf(header.String(), values)
}
