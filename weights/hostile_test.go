package weights

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
)

// allocated returns what f allocates in all, kept or not, in bytes. Other
// goroutines must be quiet.
func allocated(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// refused checks that data is refused with an error that says want, names the
// file, wraps ErrInvalid, and that nothing large was allocated on the way.
func refused(t *testing.T, data []byte, want ...string) {
	t.Helper()
	var err error
	memory := allocated(func() { _, err = openBytes(data, Limits{}) })
	if !errors.Is(err, assay.ErrInvalid) {
		t.Fatalf("got %v, want an error that wraps ErrInvalid", err)
	}
	for _, w := range append(want, "test") {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
	if most := memoryBound(len(data)); memory > most {
		t.Errorf("%d bytes allocated for %d of input, at most %d expected", memory, len(data), most)
	}
}

// memoryBound is what reading the table of tensors may allocate in all.
func memoryBound(input int) int64 { return 256*int64(input) + 2<<20 }

// TestOpcodes refuses every opcode that neither torch.save nor torch.jit.save
// writes, and NEWOBJ of anything but a module, by name.
func TestOpcodes(t *testing.T) {
	for name, pickle := range map[string]*pickler{
		"GLOBAL":          newPickle().global("os system").str("id").op(opTuple1, opReduce),
		"INST":            newPickle().op(opMark).str("id").raw("ios\nsystem\n"),
		"OBJ":             newPickle().op(opMark).str("x").op('o'),
		"NEWOBJ":          newPickle().global("collections OrderedDict").op(opEmptyTuple, 0x81),
		"NEWOBJ_EX":       newPickle().global("collections OrderedDict").op(opEmptyTuple, opEmptyDict, 0x92),
		"STACK_GLOBAL":    newPickle().str("os").str("system").op(0x93),
		"EXT1":            newPickle().op(0x82, 1),
		"EXT2":            newPickle().op(0x83, 1, 0),
		"EXT4":            newPickle().op(0x84, 1, 0, 0, 0),
		"PERSID":          newPickle().raw("Pstorage\n"),
		"BYTEARRAY8":      newPickle().op(0x96, 0, 0, 0, 0, 0, 1, 0, 0),
		"NEXT_BUFFER":     newPickle().op(0x97),
		"READONLY_BUFFER": newPickle().op(0x98),
		"BINUNICODE8":     newPickle().op(0x8d, 0, 0, 0, 0, 0, 1, 0, 0),
		"BINBYTES8":       newPickle().op(0x8e, 0, 0, 0, 0, 0, 1, 0, 0),
		"LONG4":           newPickle().op(0x8b, 0xff, 0xff, 0xff, 0x7f),
		"FRAME":           newPickle().op(0x95, 0, 0, 0, 0, 0, 1, 0, 0),
		"MEMOIZE":         newPickle().op(opEmptyDict, 0x94),
		"DUP":             newPickle().op(opEmptyDict, '2'),
		"POP":             newPickle().op(opEmptyDict, '0'),
		"STRING":          newPickle().raw("S'x'\n"),
		"0xff (unknown)":  newPickle().op(0xff),
	} {
		t.Run(name, func(t *testing.T) {
			data := pickle.stop()
			want := []string{"opcode " + name}
			if name == "GLOBAL" {
				want = append(want, `"os.system"`)
			}
			refused(t, torchZip(t, data), want...)
			refused(t, torchLegacy(data), want...)
		})
	}
}

// TestNoOtherOpcode runs each of the 256 opcodes: what step does not know it must
// refuse by name.
func TestNoOtherOpcode(t *testing.T) {
	known := "(.JKMNQRTUXabcehj]qrst)uG}\x80\x81\x85\x86\x87\x88\x89\x8a"
	for code := range 256 {
		_, err := openBytes(torchZip(t, newPickle().op(byte(code)).stop()), Limits{})
		if err == nil {
			t.Errorf("opcode %#x alone makes a checkpoint", code)
			continue
		}
		if refused := strings.Contains(err.Error(), "is not run"); refused == (strings.IndexByte(known, byte(code)) >= 0) {
			t.Errorf("opcode %#x: %v", code, err)
		}
	}
}

// TestPickleBombs are small pickles that describe something huge.
func TestPickleBombs(t *testing.T) {
	shared := newPickle().op(opMark, opEmptyList, opBinPut, 0)
	for range 60 { // each list holds the one before it twice: 2⁶⁰ leaves
		shared.op(opMark, opBinGet, 0, opBinGet, 0, opTuple, opBinPut, 0)
	}
	shared.op(opTuple)
	loop := newPickle().op(opEmptyDict, opBinPut, 0).str("self").op(opBinGet, 0, opSetItem)
	numbers := newPickle().op(opMark, opEmptyList, opMark) // shared, not nested: 4·10⁸ items to look at
	for range 20_000 {
		numbers.op(opNone)
	}
	numbers.op(opAppends, opBinPut, 0)
	for range 20_000 {
		numbers.op(opBinGet, 0)
	}
	numbers.op(opTuple)
	deep := newPickle().op(opEmptyTuple)
	for range 100_000 {
		deep.op(opTuple1)
	}
	pairs := newPickle().op(opEmptyList, opMark)
	for range 2000 {
		pairs.op(opNone, opNone, opTuple2)
	}
	pairs.op(opAppends, opBinPut, 0)
	for range 2000 { // each call would copy the 2000 pairs
		pairs.global(string(orderedDict)).op(opBinGet, 0, opTuple1, opReduce)
	}
	for name, c := range map[string]struct {
		pickle *pickler
		want   string
	}{
		"billion laughs": {shared, "refers to its objects too often"},
		"shared list":    {numbers, "refers to its objects too often"},
		"loop":           {loop, "nested deeper"},
		"deep nesting":   {deep, "nested deeper"},
		"pairs":          {pairs, "more pairs"},
	} {
		t.Run(name, func(t *testing.T) { refused(t, torchZip(t, c.pickle.stop()), c.want) })
	}
}

// TestHostilePickles are pickles of allowed opcodes that say what cannot be.
func TestHostilePickles(t *testing.T) {
	rebuild := func() *pickler { return newPickle().global(string(rebuildTensor)) }
	for name, c := range map[string]struct {
		pickle *pickler
		want   string
	}{
		"call of a class":      {newPickle().global("torch FloatStorage").op(opEmptyTuple, opReduce), "torch.FloatStorage may be mentioned but not called"},
		"call of text":         {newPickle().str("os.system").op(opEmptyTuple, opReduce), "REDUCE"},
		"unlisted call":        {newPickle().global("torch._utils _rebuild_qtensor").op(opEmptyTuple, opReduce), `"torch._utils._rebuild_qtensor"`},
		"state of a dict":      {newPickle().op(opEmptyDict, opEmptyDict, opBuild), "BUILD"},
		"state of a list":      {newPickle().op(opEmptyList, opEmptyDict, opBuild), "BUILD"},
		"state that is text":   {newPickle().global(string(orderedDict)).op(opEmptyTuple, opReduce).str("x").op(opBuild), "BUILD"},
		"long text":            {newPickle().u32(opBinUnicode, 0xffffffff), "4294967295 bytes are claimed"},
		"long name":            {newPickle().raw("c" + strings.Repeat("a", 300) + "\n"), "more than 256 bytes"},
		"not UTF-8":            {newPickle().str("\xff\xfe"), "not UTF-8"},
		"protocol 4":           {newPickle().op(opProto, 4), "protocol 4"},
		"memo never put":       {newPickle().u32(opLongBinGet, 1<<31), "memo 2147483648 was never put"},
		"memo of nothing":      {newPickle().op(opBinPut, 0), "nothing to put"},
		"empty stack":          {newPickle().op(opTuple3), "TUPLE3"},
		"reach under the mark": {newPickle().op(opNone, opNone, opMark, opTuple2), "TUPLE2"},
		"no mark":              {newPickle().op(opTuple), "needs a MARK"},
		"odd items":            {newPickle().op(opEmptyDict, opMark, opNone, opSetItems), "no value"},
		"items of a list":      {newPickle().op(opEmptyList, opNone, opNone, opSetItem), "want a dictionary"},
		"append to a dict":     {newPickle().op(opEmptyDict, opNone, opAppend), "want a list"},
		"two objects":          {newPickle().op(opNone, opNone), "2 objects"},
		"persistent text":      {newPickle().str("x").op(opBinPersID), "BINPERSID"},
		"module id":            {newPickle().op(opMark).str("module").op(opNone, opNone, opNone, opNone, opTuple, opBinPersID), "BINPERSID"},
		"tensor of nothing":    {rebuild().op(opMark, opNone, opNone, opNone, opNone, opNone, opNone, opTuple, opReduce), "want a storage"},
		"too few arguments":    {rebuild().op(opEmptyTuple, opReduce), "6 or 7 arguments"},
		"parameter of text":    {newPickle().global(string(rebuildParameter)).str("x").op(opNewTrue, opNone, opTuple3, opReduce), "want a tensor"},
		"no tensors":           {newPickle().op(opEmptyDict), "no tensors"},
	} {
		t.Run(name, func(t *testing.T) { refused(t, torchZip(t, c.pickle.stop()), c.want) })
	}
	t.Run("no end", func(t *testing.T) { refused(t, torchZip(t, newPickle().op(opNone).Bytes()), "no STOP") })
	t.Run("no start", func(t *testing.T) { refused(t, torchZip(t, []byte("N.")), "PROTO 2") })
	t.Run("more", func(t *testing.T) {
		refused(t, torchZip(t, append(newPickle().op(opNone).stop(), "cos\n"...)), "follow its STOP")
	})
}

// TestHostileTensors are tensors that do not fit their storage of 4 floats.
func TestHostileTensors(t *testing.T) {
	const big = int64(1) << 40
	four := make([]byte, 16)
	for name, c := range map[string]struct {
		count, offset int64
		shape, stride []int64
		want          string
	}{
		"claimed storage":    {1 << 33, 0, []int64{4}, []int64{1}, "8589934592 values of float32 are claimed, 16 bytes are present"},
		"overflowing claim":  {1<<62 + 4, 0, []int64{4}, []int64{1}, "are claimed"},
		"negative claim":     {-4, 0, []int64{4}, []int64{1}, "is -4"},
		"short claim":        {3, 0, []int64{3}, []int64{1}, "3 values"},
		"negative offset":    {4, -1, []int64{1}, []int64{1}, "offset is -1"},
		"offset beyond":      {4, 5, []int64{0}, []int64{1}, "offset 5 lies outside"},
		"huge offset":        {4, 1<<63 - 1, []int64{1}, []int64{1}, "lies outside"},
		"beyond the end":     {4, 1, []int64{4}, []int64{1}, "leave the storage of 4"},
		"stride 0 of 2^40":   {4, 0, []int64{big}, []int64{0}, "takes more bytes than the file has"},
		"overflowing shape":  {4, 0, []int64{big, big}, []int64{0, 0}, "more than 2⁶³ elements"},
		"overflowing stride": {4, 0, []int64{3, 3}, []int64{1 << 62, 1 << 62}, "leave the storage"},
		"negative stride":    {4, 3, []int64{4}, []int64{-1}, "stride -1 is negative"},
		"negative size":      {4, 0, []int64{-1}, []int64{1}, "out of range"},
		"strides missing":    {4, 0, []int64{2, 2}, []int64{1}, "1 strides for 2 dimensions"},
		"many dimensions":    {4, 0, make([]int64, 65), make([]int64, 65), "65 dimensions"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPickle().op(opEmptyDict).str("the tensor").
				tensor("0", "FloatStorage", c.count, c.offset, c.shape, c.stride).op(opSetItem).stop()
			refused(t, torchZip(t, p, four), c.want)
			refused(t, torchLegacy(p, four), c.want)
		})
	}
	twice := newPickle().op(opEmptyDict, opMark)
	for range 2 {
		twice.str("a").tensor("0", "FloatStorage", 4, 0, []int64{4}, []int64{1})
	}
	refused(t, torchZip(t, twice.op(opSetItems).stop(), four), `two tensors are named "a"`)
	nested := newPickle().op(opEmptyDict, opMark).str("a.b").tensor("0", "FloatStorage", 4, 0, []int64{4}, []int64{1}).
		str("a").op(opEmptyDict).str("b").tensor("0", "FloatStorage", 4, 0, []int64{4}, []int64{1}).op(opSetItem, opSetItems)
	refused(t, torchZip(t, nested.stop(), four), `two tensors are named "a.b"`)
	absent := newPickle().op(opEmptyDict).str("a").tensor("../../etc/passwd", "FloatStorage", 4, 0, []int64{4}, []int64{1}).op(opSetItem)
	elsewhere := absent.stop()
	refused(t, torchZip(t, elsewhere, four), "is not in the archive")
	refused(t, torchLegacy(elsewhere), "is not in the file's list")
}

// TestHostileNames gives 4000 references to one tensor a path of 20 shared keys of
// 20 kB: names of 1.6 GB from a pickle of 28 kB.
func TestHostileNames(t *testing.T) {
	p := newPickle().op(opMark).tensor("0", "FloatStorage", 4, 0, []int64{4}, []int64{1}).op(opBinPut, 2)
	p.op(opEmptyList, opBinPut, 1, opMark)
	for range 4000 {
		p.op(opBinGet, 2)
	}
	p.op(opAppends).str(strings.Repeat("long", 5000)).op(opBinPut, 3)
	for range 20 {
		p.op(opEmptyDict, opBinGet, 3, opBinGet, 1, opSetItem, opBinPut, 1)
	}
	refused(t, torchZip(t, p.op(opTuple).stop(), make([]byte, 16)), "names of the tensors are too long")
}

func TestHostileZips(t *testing.T) {
	pickle, storages := pickleOf([]row{{"a", []int64{4}, make([]byte, 16)}})
	good := torchZip(t, pickle, storages...)
	if _, err := openBytes(good, Limits{}); err != nil {
		t.Fatal(err)
	}
	refused(t, zipOf(t, entry{"x/data.pkl", pickle, zip.Deflate}, entry{"x/data/0", storages[0], zip.Store}),
		"x/data.pkl", "compressed")
	refused(t, zipOf(t, entry{"x/data.pkl", pickle, zip.Store}, entry{"x/data/0", storages[0], zip.Deflate}),
		"x/data/0", "compressed")
	refused(t, zipOf(t, entry{"x/data.pkl", pickle, zip.Store}, entry{"x/data.pkl", pickle, zip.Store}), "two entries")
	refused(t, zipOf(t, entry{"x/data.pkl", pickle, 0}, entry{"x/byteorder", []byte("big"), 0}, entry{"x/data/0", storages[0], 0}),
		`byte order "big"`)
	refused(t, zipOf(t, entry{"x/data.pkl", pickle, 0}, entry{"x/constants.pkl", pickle, 0}), `storage "0" is not in the archive`)
	refused(t, zipOf(t, entry{"word/document.xml", pickle, 0}), `"word/document.xml"`)
	for cut := range good {
		if _, err := openBytes(good[:cut], Limits{}); !errors.Is(err, assay.ErrInvalid) {
			t.Fatalf("cut after %d of %d bytes: %v", cut, len(good), err)
		}
	}
	// Two entries of the directory share one local file.
	two := zipOf(t, entry{"x/data.pkl", pickle, 0}, entry{"x/data/0", storages[0], 0}, entry{"x/data/1", storages[0], 0})
	dir := bytes.Index(two, []byte("PK\x01\x02"))
	entries := bytes.Split(two[dir:], []byte("PK\x01\x02"))
	first := dir + 4 + len(entries[1]) + 4
	second := first + len(entries[2]) + 4
	copy(two[second+38:second+42], two[first+38:first+42]) // where the local header is, less the signature
	refused(t, two, "overlap")
}

func TestHostileLegacy(t *testing.T) {
	pickle, storages := pickleOf([]row{{"a", []int64{4}, make([]byte, 16)}})
	good := torchLegacy(pickle, storages...)
	if _, err := openBytes(good, Limits{}); err != nil {
		t.Fatal(err)
	}
	for cut := range good {
		if _, err := openBytes(good[:cut], Limits{}); !errors.Is(err, assay.ErrInvalid) {
			t.Fatalf("cut after %d of %d bytes: %v", cut, len(good), err)
		}
	}
	refused(t, append(bytes.Clone(good), 0), "1 bytes follow the last storage")
	claim := bytes.Clone(good)
	binary.LittleEndian.PutUint64(claim[len(claim)-24:], 1<<33)
	refused(t, claim, "8589934592 values of float32 are claimed, 16 bytes are left")
	binary.LittleEndian.PutUint64(claim[len(claim)-24:], 1<<63)
	refused(t, claim, "are claimed")
	refused(t, torchLegacy(pickle, storages[0], storages[0]), `storage "1"`)
	big := bytes.Replace(good, []byte("little_endian\x88"), []byte("little_endian\x89"), 1)
	refused(t, big, "little-endian")
	refused(t, bytes.Replace(good, []byte("M\xe9\x03"), []byte("M\xe8\x03"), 1), "protocol 1000, want 1001")
}

// TestPython2 reads an OrderedDict as Python 2 pickles it: called with a list of
// [key, value] lists, texts as SHORT_BINSTRING.
func TestPython2(t *testing.T) {
	p := newPickle().global(string(orderedDict)).op(opEmptyList, opMark, opEmptyList, opMark).py2("lin0.weight").
		tensor("0", "FloatStorage", 4, 0, []int64{2, 2}, []int64{2, 1}).op(opAppends, opAppends, opTuple1, opReduce)
	c, err := openBytes(torchLegacy(p.stop(), []byte("0123456789abcdef")), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := c.Bytes("lin0.weight"); err != nil || string(raw) != "0123456789abcdef" {
		t.Errorf("%q %v", raw, err)
	}
}

func TestSafetensorsRules(t *testing.T) {
	entry := func(name, dtype, shape, offsets string) string {
		return `"` + name + `":{"dtype":"` + dtype + `","shape":` + shape + `,"data_offsets":` + offsets + `}`
	}
	a := entry("a", "F32", "[2]", "[0,8]")
	for name, c := range map[string]struct{ header, want string }{
		"overlap":         {`{` + a + `,` + entry("b", "F32", "[2]", "[4,12]") + `}`, `"b" starts at 4, the tensor before it ends at 8`},
		"hole":            {`{` + entry("b", "F32", "[1]", "[12,16]") + `,` + a + `}`, "holes"},
		"rest":            {`{` + a + `}`, "8 bytes follow"},
		"same bytes":      {`{` + a + `,` + entry("b", "F32", "[2]", "[0,8]") + `}`, "starts at 0"},
		"beyond":          {`{` + entry("a", "F32", "[5]", "[0,20]") + `}`, "leave the 16 bytes"},
		"backwards":       {`{` + entry("a", "F32", "[0]", "[0,-8]") + `}`, "not an integer"},
		"end before":      {`{` + a + `,` + entry("b", "F32", "[0]", "[8,4]") + `}`, "leave the 16 bytes"},
		"shape":           {`{` + entry("a", "F32", "[3]", "[0,16]") + `}`, "does not take the 16 bytes"},
		"overflow":        {`{` + entry("a", "F32", "[4294967296,4294967296]", "[0,16]") + `}`, "2⁶³"},
		"size":            {`{` + entry("a", "F32", "[18446744073709551616]", "[0,16]") + `}`, "not an integer"},
		"fraction":        {`{` + entry("a", "F32", "[4.0]", "[0,16]") + `}`, "not an integer"},
		"type":            {`{` + entry("a", "F4", "[32]", "[0,16]") + `}`, `dtype "F4"`},
		"three offsets":   {`{` + entry("a", "F32", "[4]", "[0,16,16]") + `}`, "more than 2"},
		"duplicate":       {`{` + a + `,` + a + `}`, `"a" appears twice`},
		"duplicate field": {`{"a":{"dtype":"F32","dtype":"F32","shape":[4],"data_offsets":[0,16]}}`, "dtype"},
		"unknown field":   {`{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16],"x":1}}`, `"x"`},
		"missing field":   {`{"a":{"dtype":"F32","data_offsets":[0,16]}}`, "want dtype, shape"},
		"metadata number": {`{"__metadata__":{"x":1},` + entry("a", "F32", "[4]", "[0,16]") + `}`, "not text"},
		"nesting":         {`{"a":` + strings.Repeat("[", 100_000), "header"},
		"trailing":        {`{` + entry("a", "F32", "[4]", "[0,16]") + `}x`, "follow the JSON object"},
		"not UTF-8":       {"{\"\xff\":1}", "UTF-8"},
		"empty":           {`{}`, "16 bytes follow"},
		"not JSON":        {`{nope`, "header"},
		"null":            {`{"a":null}`, "where"},
	} {
		t.Run(name, func(t *testing.T) { refused(t, safetensorsOf(c.header, make([]byte, 16)), c.want) })
	}
	long := safetensorsOf(`{`+a+`}`, make([]byte, 8))
	binary.LittleEndian.PutUint64(long, 1<<40)
	refused(t, long, "starts with bytes")
	if _, err := openBytes(safetensorsOf(`{`+a+`}`, make([]byte, 8)), Limits{Header: 10}); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("a header over the limit: %v", err)
	}
}

func TestOtherFiles(t *testing.T) {
	for name, c := range map[string]struct{ head, want string }{
		"empty": {"", "an empty file"}, "page": {" \n<!DOCTYPE html><html>", "a web page"},
		"lfs":    {"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"},
		"pickle": {"\x80\x02}q\x00.", "torch.save did not write"}, "protocol 4": {"\x80\x04\x95", "protocol 4"},
		"tar":   {strings.Repeat("\x00", 257) + "ustar", "tar archive"},
		"svm":   {"svm_type epsilon_svr\n", "LIBSVM"},
		"noise": {"\x01\x02\x03", "bytes 01 02 03"},
	} {
		t.Run(name, func(t *testing.T) { refused(t, []byte(c.head), c.want, "safetensors") })
	}
	dir := t.TempDir()
	if _, err := Open(dir, Limits{}); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), "a folder") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "none"), Limits{}); !errors.Is(err, assay.ErrNotFound) {
		t.Errorf("no file: %v", err)
	}
	path := filepath.Join(dir, "short")
	os.WriteFile(path, safetensorsRows([]row{{"a", []int64{4}, make([]byte, 16)}}), 0o644)
	c := open(t, path)
	os.Truncate(path, 20)
	if _, err := c.Bytes("a"); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a file that shrank: %v", err)
	}
}
