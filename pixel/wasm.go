package pixel

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"sync"
	"time"
	_ "unsafe" // for go:linkname

	_ "github.com/gen2brain/avif"
	_ "github.com/gen2brain/heic"
	_ "github.com/gen2brain/jpegxl"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// The gen2brain packages hold libavif, libheif and libjxl compiled to
// WebAssembly. Their Decode functions prefer a shared library of the system if
// one is found, which no option turns off, run without limits of memory or
// time, and take a failed allocation for an address. So only the compiled codec
// is taken from them, and run here: the same bytes on every machine, within
// bounds. (Importing them still makes them look for the library; nothing calls
// it.) The variables are unexported; should one move in a later version, it is
// empty here and its codec says so.

//go:linkname avifWasm github.com/gen2brain/avif.decodeWasm
var avifWasm []byte

//go:linkname heicWasm github.com/gen2brain/heic.heifWasm
var heicWasm []byte

//go:linkname jxlWasm github.com/gen2brain/jpegxl.decodeWasm
var jxlWasm []byte

// Each codec is compiled once, on first use.
var (
	avifCodec = sync.OnceValues(func() (*wasmCodec, error) { return compileCodec("avif", avifWasm) })
	heicCodec = sync.OnceValues(func() (*wasmCodec, error) { return compileCodec("heic", heicWasm) })
	jxlCodec  = sync.OnceValues(func() (*wasmCodec, error) { return compileCodec("jxl", jxlWasm) })
)

// wasmPages bounds the memory of one decoding: 2 GiB in pages of 64 KiB, which
// holds the file, the codec's planes and the result for a picture at the default limits.
const wasmPages = 2 << 30 >> 16

// codecTime bounds the decoding of one picture, since a damaged file can send
// these codecs round in circles. Measured were 1 to 6 seconds a megapixel on a
// machine with five times more to do than it has cores.
func codecTime(info Info) time.Duration {
	megapixels := info.Width * info.Height / 1_000_000
	return 2*time.Minute + time.Duration(megapixels)*30*time.Second
}

// A wasmCodec is a compiled module that exports malloc and decode.
type wasmCodec struct {
	runtime wazero.Runtime
	module  wazero.CompiledModule
}

func compileCodec(name string, gz []byte) (*wasmCodec, error) {
	r, err := gzip.NewReader(bytes.NewReader(gz))
	if err != nil {
		return nil, fmt.Errorf("%s: compiled codec of %d bytes cannot be unpacked: %w", name, len(gz), err)
	}
	code, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("%s: compiled codec cannot be unpacked: %w", name, err)
	}
	// The codecs outlive every call, so the context of none must end them.
	ctx := context.Background()
	config := wazero.NewRuntimeConfig().WithCloseOnContextDone(true).WithMemoryLimitPages(wasmPages)
	c := &wasmCodec{runtime: wazero.NewRuntimeWithConfig(ctx, config)}
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, c.runtime); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if c.module, err = c.runtime.CompileModule(ctx, code); err != nil {
		return nil, fmt.Errorf("%s: codec cannot be compiled: %w", name, err)
	}
	return c, nil
}

// A wasmCall is a fresh instance of a codec with one file in its memory. After
// the first failure its methods do nothing, and err says what failed.
type wasmCall struct {
	ctx       context.Context
	name      string
	mod       api.Module
	in, inLen uint64 // the file
	err       error
}

// run makes an instance, copies data into it and calls use, which reads a
// picture as d.info announces it. Instances share
// nothing, so run may be called from many goroutines.
func (c *wasmCodec) run(d decodeContext, data []byte, use func(m *wasmCall) error) error {
	name := d.info.Format
	ctx, cancel := context.WithTimeout(d.ctx, codecTime(d.info))
	defer cancel()
	// An empty name lets instances stand side by side. Without a configured
	// output, what the codec prints is discarded.
	mod, err := c.runtime.InstantiateModule(ctx, c.module, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		return fmt.Errorf("%s: codec cannot be started: %w", name, err)
	}
	defer mod.Close(context.WithoutCancel(ctx))
	m := &wasmCall{ctx: ctx, name: name, mod: mod, inLen: uint64(len(data))}
	m.in = m.alloc(len(data))
	if m.err == nil && !mod.Memory().Write(uint32(m.in), data) {
		m.fail("codec memory cannot hold %d bytes", len(data))
	}
	if m.err != nil {
		return m.err
	}
	return use(m)
}

func (m *wasmCall) fail(format string, args ...any) {
	if m.err == nil {
		m.err = invalidf(m.name+": "+format, args...)
	}
}

// call runs an exported function. A trap is taken as the file's fault: the code
// is fixed, and only the file differs.
func (m *wasmCall) call(fn string, args ...uint64) uint64 {
	if m.err != nil {
		return 0
	}
	f := m.mod.ExportedFunction(fn)
	if f == nil {
		m.err = fmt.Errorf("%s: codec exports no function %q", m.name, fn)
		return 0
	}
	res, err := f.Call(m.ctx, args...)
	if err != nil {
		m.fail("the codec fails on this file: %v", err)
		return 0
	}
	if len(res) == 0 {
		return 0
	}
	return res[0]
}

// alloc returns the address of n fresh bytes in the codec's memory.
func (m *wasmCall) alloc(n int) uint64 {
	at := m.call("malloc", uint64(n))
	if at == 0 {
		m.fail("needs %d bytes more than the codec's limit of %d", n, wasmPages<<16)
	}
	return at
}

// store writes numbers of 32 bits.
func (m *wasmCall) store(at uint64, values ...uint32) {
	for i, v := range values {
		if m.err == nil && !m.mod.Memory().WriteUint32Le(uint32(at)+4*uint32(i), v) {
			m.fail("address %d is outside the codec's memory", at)
		}
	}
}

// load reads n numbers of 32 bits. It always returns n of them.
func (m *wasmCall) load(at uint64, n int) []uint32 {
	out := make([]uint32, n)
	for i := range out {
		var ok bool
		if m.err == nil {
			if out[i], ok = m.mod.Memory().ReadUint32Le(uint32(at) + 4*uint32(i)); !ok {
				m.fail("address %d is outside the codec's memory", at)
			}
		}
	}
	return out
}

// read returns a copy of n bytes, since an instance takes its memory with it.
func (m *wasmCall) read(at uint64, n int) []uint8 {
	if m.err != nil {
		return nil
	}
	b, ok := m.mod.Memory().Read(uint32(at), uint32(n))
	if !ok {
		m.fail("%d bytes at %d are outside the codec's memory", n, at)
	}
	return bytes.Clone(b)
}
