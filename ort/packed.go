package ort

import (
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/gemm"
	"github.com/gen-emerge/assay/onnx"
)

// Packed says that sessions know [onnx.Builder.PackedGemm], and by which name its
// numbers are to be told from those of the library's own products: "assay gemm 1".
// It is empty where package gemm does not support the processor.
func (rt *Runtime) Packed() string {
	if !gemm.Supported() {
		return ""
	}
	return fmt.Sprintf("assay gemm %d", gemm.Version)
}

// A customOp is OrtCustomOp as of version 16 of the interface, the first whose
// kernels can fail with a message, and what is ours. Functions that the library
// asks for only if others answer so are zero.
type customOp struct {
	version       uintptr // uint32_t, and padding
	createKernel  uintptr // before 16
	name          uintptr
	provider      uintptr
	inputType     uintptr
	inputCount    uintptr
	outputType    uintptr
	outputCount   uintptr
	compute       uintptr // before 16
	destroyKernel uintptr
	inputKind     uintptr
	outputKind    uintptr
	inputMemory   uintptr
	variadic      [4]uintptr
	createKernel2 uintptr
	compute2      uintptr

	env     *env
	threads int
}

const customOpVersion = 16

// cpuProvider is where the operator runs.
const cpuProvider = "CPUExecutionProvider"

// packedOp holds what is the same in every packed product's customOp. Callbacks
// are never freed, so they are made once a process.
var packedOp = sync.OnceValue(func() customOp {
	name, provider := cbytes(onnx.PackedGemmOp), cbytes(cpuProvider)
	always := func(v uintptr) uintptr { return purego.NewCallback(func(*customOp) uintptr { return v }) }
	each := func(v uintptr) uintptr { return purego.NewCallback(func(*customOp, uintptr) uintptr { return v }) }
	text := func(s *byte) uintptr { return purego.NewCallback(func(*customOp) *byte { return s }) }
	const single, anyMemory = 0, 0 // INPUT_OUTPUT_REQUIRED, OrtMemTypeDefault
	float := each(uintptr(onnx.Float32))
	required := each(single)
	return customOp{
		version: customOpVersion, name: text(name), provider: text(provider),
		inputType: float, inputCount: always(3), outputType: float, outputCount: always(1),
		inputKind: required, outputKind: required, inputMemory: each(anyMemory),
		createKernel2: purego.NewCallback(func(op *customOp, _, _ uintptr, kernel **customOp) status {
			*kernel = op // it has no state
			return 0
		}),
		compute2:      purego.NewCallback(computePacked),
		destroyKernel: purego.NewCallback(func(*customOp) uintptr { return 0 }),
	}
})

// cbytes returns a string as C wants it.
func cbytes(s string) *byte { return &append([]byte(s), 0)[0] }

// A domain holds the packed product for sessions of so many threads.
type domain struct {
	handle handle
	op     *customOp // the library's from now on
	pin    runtime.Pinner
}

// domain returns the domain of our operators for that many threads.
func (e *env) domain(threads int) (handle, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if d := e.domains[threads]; d != nil {
		return d.handle, nil
	}
	op := packedOp()
	op.env, op.threads = e, threads
	d := &domain{op: &op}
	if err := e.api.check(e.api.createDomain(onnx.OwnDomain, &d.handle)); err != nil {
		return 0, err
	}
	d.pin.Pin(d.op)
	if err := e.api.check(e.api.domainAdd(d.handle, d.op)); err != nil {
		e.api.releaseDomain(d.handle)
		d.pin.Unpin()
		return 0, err
	}
	if e.domains == nil {
		e.domains = make(map[int]*domain)
	}
	e.domains[threads] = d
	return d.handle, nil
}

// releaseDomains frees the domains, which no session uses any more.
func (e *env) releaseDomains() {
	for _, d := range e.domains {
		e.api.releaseDomain(d.handle)
		d.pin.Unpin()
	}
	e.domains = nil
}

// computePacked runs one node: its inputs are x [n, in], the packed weight and
// the bias.
func computePacked(op *customOp, context handle) (st status) {
	a := op.env.api
	var err error
	defer func() {
		if p := recover(); p != nil { // it must not unwind into the library
			err = fmt.Errorf("%v", p)
		}
		if err != nil {
			st = a.createStatus(codeInvalidArgument, fmt.Sprintf("%s: %v", onnx.PackedGemmOp, err))
		}
	}()
	c := nodes.Get().(*nodeCall)
	defer nodes.Put(c)
	c.k = &a.kernel
	err = c.run(context, op.threads)
	return 0
}

// kernelAPI holds the functions that kernels call, many times a run, without the
// conversions of purego.RegisterFunc.
type kernelAPI struct {
	input, output, data, info, rank, dims, releaseInfo uintptr
	check                                              func(status) error
}

// failed turns a status that is not zero into an error.
func (k *kernelAPI) failed(st uintptr) error { return k.check(status(st)) }

// nodes keeps the memory of calls.
var nodes = sync.Pool{New: func() any { return new(nodeCall) }}

// A nodeCall is one run of a node. What the library writes to lies here, so that
// nothing is allocated.
type nodeCall struct {
	k     *kernelAPI
	value handle
	info  handle
	rank  uintptr
	dims  [3]int64
	data  unsafe.Pointer
}

// run multiplies.
func (c *nodeCall) run(context handle, threads int) error {
	x, rows, err := c.tensor(context, 0, 2)
	if err != nil {
		return err
	}
	in := int(c.dims[1])
	w, _, err := c.tensor(context, 1, 3)
	if err != nil {
		return err
	}
	if c.dims[1] != int64(in) || c.dims[2] != gemm.Panel {
		return fmt.Errorf("weights of shape %v for %d inputs, want panels of %d: %w", c.dims, in, gemm.Panel, assay.ErrInvalid)
	}
	bias, out, err := c.tensor(context, 2, 1)
	if err != nil {
		return err
	}
	c.dims[0], c.dims[1] = int64(rows), int64(out)
	st, _, _ := purego.SyscallN(c.k.output, uintptr(context), 0, uintptr(unsafe.Pointer(&c.dims)), 2, uintptr(unsafe.Pointer(&c.value)))
	if st != 0 {
		return c.k.failed(st)
	}
	if st, _, _ := purego.SyscallN(c.k.data, uintptr(c.value), uintptr(unsafe.Pointer(&c.data))); st != 0 {
		return c.k.failed(st)
	}
	y := unsafe.Slice((*float32)(c.data), rows*out)
	return gemm.Layer{In: in, Out: out, Weight: w, Bias: bias}.Apply(y, x, threads)
}

// tensor returns the values of an input that must have so many dimensions, and
// the first of these; c.dims holds all.
func (c *nodeCall) tensor(context handle, i, rank uintptr) ([]float32, int, error) {
	if st, _, _ := purego.SyscallN(c.k.input, uintptr(context), i, uintptr(unsafe.Pointer(&c.value))); st != 0 {
		return nil, 0, c.k.failed(st)
	}
	if st, _, _ := purego.SyscallN(c.k.info, uintptr(c.value), uintptr(unsafe.Pointer(&c.info))); st != 0 {
		return nil, 0, c.k.failed(st)
	}
	defer purego.SyscallN(c.k.releaseInfo, uintptr(c.info))
	if st, _, _ := purego.SyscallN(c.k.rank, uintptr(c.info), uintptr(unsafe.Pointer(&c.rank))); st != 0 {
		return nil, 0, c.k.failed(st)
	}
	if c.rank != rank {
		return nil, 0, fmt.Errorf("input %d has %d dimensions, want %d: %w", i, c.rank, rank, assay.ErrInvalid)
	}
	if st, _, _ := purego.SyscallN(c.k.dims, uintptr(c.info), uintptr(unsafe.Pointer(&c.dims)), rank); st != 0 {
		return nil, 0, c.k.failed(st)
	}
	if st, _, _ := purego.SyscallN(c.k.data, uintptr(c.value), uintptr(unsafe.Pointer(&c.data))); st != 0 {
		return nil, 0, c.k.failed(st)
	}
	n := 1
	for _, d := range c.dims[:rank] {
		n *= int(d)
	}
	return unsafe.Slice((*float32)(c.data), n), int(c.dims[0]), nil
}
