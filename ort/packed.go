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

// Packed says that sessions know the operators of [onnx.OwnDomain], and by which name their numbers are to be told
// from those of the library's own operators: "assay gemm 1". It is empty where package gemm does not support the processor.
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
	variadic      [4]uintptr // of inputs that may be several: at least how many, and whether of one type; so of outputs
	createKernel2 uintptr
	compute2      uintptr

	env     *env
	kind    int // in ownOps
	threads int
}

const customOpVersion = 16

// cpuProvider is where the operator runs.
const cpuProvider = "CPUExecutionProvider"

// ownOps are the operators of [onnx.OwnDomain]. All take and give float32.
var ownOps = [...]struct {
	name   string
	inputs uintptr
	more   bool // the last of them may be several
	run    func(c *nodeCall, context handle, threads int) error
}{
	{onnx.PackedGemmOp, 3, false, func(c *nodeCall, context handle, threads int) error { return c.packedGemm(context, threads, false) }},
	{onnx.PackedGELUOp, 3, false, func(c *nodeCall, context handle, threads int) error { return c.packedGemm(context, threads, true) }},
	{onnx.SelfAttentionOp, 2, false, (*nodeCall).selfAttention},
	{onnx.UnitDistanceOp, 4, false, (*nodeCall).unitDistance},
	{onnx.RowDistanceOp, 4, false, (*nodeCall).rowDistance},
	{onnx.PackedConvOp, 4, false, (*nodeCall).packedConv},
	{onnx.SeparableChainOp, 3, true, (*nodeCall).separableChain},
}

// customOps holds what is the same in every customOp of each kind. Callbacks are
// never freed, so they are made once a process.
var customOps = sync.OnceValue(func() (list [len(ownOps)]customOp) {
	always := func(v uintptr) uintptr { return purego.NewCallback(func(*customOp) uintptr { return v }) }
	each := func(v uintptr) uintptr { return purego.NewCallback(func(*customOp, uintptr) uintptr { return v }) }
	text := func(s string) uintptr {
		c := cbytes(s)
		return purego.NewCallback(func(*customOp) *byte { return c })
	}
	const single, several, anyMemory = 0, 2, 0 // INPUT_OUTPUT_REQUIRED and _VARIADIC, OrtMemTypeDefault
	float, required, one := each(uintptr(onnx.Float32)), each(single), always(1)
	common := customOp{
		version: customOpVersion, provider: text(cpuProvider),
		inputType: float, outputType: float, outputCount: one,
		inputKind: required, outputKind: required, inputMemory: each(anyMemory), variadic: [4]uintptr{one, one, one, one},
		createKernel2: purego.NewCallback(func(op *customOp, _, _ uintptr, kernel **customOp) status {
			*kernel = op // it has no state
			return 0
		}),
		compute2:      purego.NewCallback(compute),
		destroyKernel: purego.NewCallback(func(*customOp) uintptr { return 0 }),
	}
	for i, o := range ownOps {
		list[i] = common
		list[i].name, list[i].inputCount, list[i].kind = text(o.name), always(o.inputs), i
		if o.more {
			list[i].inputKind = purego.NewCallback(func(_ *customOp, input uintptr) uintptr {
				if input == o.inputs-1 {
					return several
				}
				return single
			})
		}
	}
	return list
})

// cbytes returns a string as C wants it.
func cbytes(s string) *byte { return &append([]byte(s), 0)[0] }

// A domain holds our operators for sessions of so many threads.
type domain struct {
	handle handle
	ops    [len(ownOps)]customOp // the library's from now on
	pin    runtime.Pinner
}

// domain returns the domain of our operators for that many threads.
func (e *env) domain(threads int) (handle, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if d := e.domains[threads]; d != nil {
		return d.handle, nil
	}
	d := &domain{ops: customOps()}
	if err := e.api.check(e.api.createDomain(onnx.OwnDomain, &d.handle)); err != nil {
		return 0, err
	}
	d.pin.Pin(d)
	for i := range d.ops {
		op := &d.ops[i]
		op.env, op.threads = e, threads
		if err := e.api.check(e.api.domainAdd(d.handle, op)); err != nil {
			e.api.releaseDomain(d.handle)
			d.pin.Unpin()
			return 0, err
		}
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

// compute runs one node.
func compute(op *customOp, context handle) (st status) {
	a, kind := op.env.api, ownOps[op.kind]
	var err error
	defer func() {
		if p := recover(); p != nil { // it must not unwind into the library
			err = fmt.Errorf("%v", p)
		}
		if err != nil {
			st = a.createStatus(codeInvalidArgument, fmt.Sprintf("%s: %v", kind.name, err))
		}
	}()
	c := nodes.Get().(*nodeCall)
	defer nodes.Put(c)
	c.k = &a.kernel
	err = kind.run(c, context, op.threads)
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
	dims  [4]int64
	data  unsafe.Pointer
}

// packedGemm multiplies, and applies QuickGELU if that is wanted: the inputs are x [n, in], the packed weight and the bias.
func (c *nodeCall) packedGemm(context handle, threads int, quick bool) error {
	x, err := c.tensor(context, 0, 2)
	if err != nil {
		return err
	}
	rows, in := c.dims[0], c.dims[1]
	w, err := c.tensor(context, 1, 3)
	if err != nil {
		return err
	}
	if c.dims[1] != in || c.dims[2] != gemm.Panel {
		return fmt.Errorf("weights of shape %v for %d inputs, want panels of %d: %w", c.dims[:3], in, gemm.Panel, assay.ErrInvalid)
	}
	bias, err := c.tensor(context, 2, 1)
	if err != nil {
		return err
	}
	y, err := c.result(context, rows, int64(len(bias)))
	if err != nil {
		return err
	}
	return gemm.Layer{In: int(in), Out: len(bias), Weight: w, Bias: bias, QuickGELU: quick}.Apply(y, x, threads)
}

// selfAttention takes qkv [1, n, 3·width] and the number of heads.
func (c *nodeCall) selfAttention(context handle, threads int) error {
	heads, err := c.tensor(context, 1, 0)
	if err != nil {
		return err
	}
	qkv, err := c.tensor(context, 0, 3)
	if err != nil {
		return err
	}
	if c.dims[0] != 1 || c.dims[2]%3 != 0 {
		return fmt.Errorf("queries, keys and values of shape %v, want one sequence and three parts: %w", c.dims[:3], assay.ErrInvalid)
	}
	width := c.dims[2] / 3
	y, err := c.result(context, 1, c.dims[1], width)
	if err != nil {
		return err
	}
	return gemm.Attention{Width: int(width), Heads: int(heads[0])}.Apply(y, qkv, threads)
}

// unitDistance takes two feature maps [1, c, h, w], the weights of their channels
// and what is added to lengths.
func (c *nodeCall) unitDistance(context handle, threads int) error {
	y, f, g, u, err := c.distance(context, 2)
	if err != nil {
		return err
	}
	return u.Apply(y, f, g, threads)
}

// rowDistance takes maps [1, h, w, c].
func (c *nodeCall) rowDistance(context handle, threads int) error {
	y, f, g, u, err := c.distance(context, 1)
	if err != nil {
		return err
	}
	return u.ApplyRows(y, f, g, threads)
}

// distance makes the result of maps whose height and width begin at dimension at.
func (c *nodeCall) distance(context handle, at int) (y, f, g []float32, u gemm.UnitDistance, err error) {
	if f, err = c.tensor(context, 0, 4); err != nil {
		return nil, nil, nil, u, err
	}
	shape := c.dims
	if g, err = c.tensor(context, 1, 4); err != nil {
		return nil, nil, nil, u, err
	}
	if c.dims != shape || shape[0] != 1 {
		return nil, nil, nil, u, fmt.Errorf("feature maps of shape %v and %v, want one pair of one shape: %w", shape, c.dims, assay.ErrInvalid)
	}
	if u.Weight, err = c.tensor(context, 2, 4); err != nil {
		return nil, nil, nil, u, err
	}
	eps, err := c.tensor(context, 3, 0)
	if err != nil {
		return nil, nil, nil, u, err
	}
	u.Eps = eps[0]
	y, err = c.result(context, 1, 1, shape[at], shape[at+1])
	return y, f, g, u, err
}

// result makes the node's output, of the given shape.
func (c *nodeCall) result(context handle, shape ...int64) ([]float32, error) {
	n := int64(1)
	for i, d := range shape {
		c.dims[i] = d
		n *= d
	}
	st, _, _ := purego.SyscallN(c.k.output, uintptr(context), 0, uintptr(unsafe.Pointer(&c.dims)), uintptr(len(shape)), uintptr(unsafe.Pointer(&c.value)))
	if st != 0 {
		return nil, c.k.failed(st)
	}
	if st, _, _ := purego.SyscallN(c.k.data, uintptr(c.value), uintptr(unsafe.Pointer(&c.data))); st != 0 {
		return nil, c.k.failed(st)
	}
	return unsafe.Slice((*float32)(c.data), n), nil
}

// tensor returns the values of an input that must have so many dimensions, which
// c.dims then holds.
func (c *nodeCall) tensor(context handle, i, rank uintptr) ([]float32, error) {
	if st, _, _ := purego.SyscallN(c.k.input, uintptr(context), i, uintptr(unsafe.Pointer(&c.value))); st != 0 {
		return nil, c.k.failed(st)
	}
	if st, _, _ := purego.SyscallN(c.k.info, uintptr(c.value), uintptr(unsafe.Pointer(&c.info))); st != 0 {
		return nil, c.k.failed(st)
	}
	defer purego.SyscallN(c.k.releaseInfo, uintptr(c.info))
	if st, _, _ := purego.SyscallN(c.k.rank, uintptr(c.info), uintptr(unsafe.Pointer(&c.rank))); st != 0 {
		return nil, c.k.failed(st)
	}
	if c.rank != rank {
		return nil, fmt.Errorf("input %d has %d dimensions, want %d: %w", i, c.rank, rank, assay.ErrInvalid)
	}
	if st, _, _ := purego.SyscallN(c.k.dims, uintptr(c.info), uintptr(unsafe.Pointer(&c.dims)), rank); st != 0 {
		return nil, c.k.failed(st)
	}
	if st, _, _ := purego.SyscallN(c.k.data, uintptr(c.value), uintptr(unsafe.Pointer(&c.data))); st != 0 {
		return nil, c.k.failed(st)
	}
	n := 1
	for _, d := range c.dims[:rank] {
		n *= int(d)
	}
	return unsafe.Slice((*float32)(c.data), n), nil
}
