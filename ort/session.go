package ort

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"unsafe"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/gemm"
	"github.com/gen-emerge/assay/onnx"
)

// SessionOptions adjust a Session. The zero SessionOptions suit one caller at a
// time and many models at once.
type SessionOptions struct {
	// Threads is how many threads one run may use; 0 means as many as Go runs
	// on. For bulk work, 1 with as many callers is as fast. It does not change
	// the results.
	Threads int
	// Prepack copies the weights into the layout that is fastest for this CPU
	// when the session opens. Without it large weights stay in the mapped
	// checkpoint, and a session opens about twenty times faster while runs take
	// longer. Packed weights ([Runtime.Packed]) are not touched.
	Prepack bool
}

// A Session is a graph ready to run. It is safe for concurrent use.
type Session struct {
	model   *onnx.Model
	inputs  []cname
	outputs []cname
	cleanup runtime.Cleanup

	mu  sync.RWMutex // held for reading by every run
	ref *sessionRef  // nil once closed
}

// A cname is a string with the zero byte that C wants.
type cname []byte

// A sessionRef owns the library's session and a share of the env.
type sessionRef struct {
	env    *env
	handle handle
}

func (r *sessionRef) release() {
	r.env.api.releaseSession(r.handle)
	r.env.release()
}

// OpenSession prepares m to run. Weights that the model leaves in a file are
// mapped from there, so the file must not change while the session is open. A
// model that is not a valid graph gives an error wrapping [assay.ErrInvalid].
func (rt *Runtime) OpenSession(ctx context.Context, m *onnx.Model, opt SessionOptions) (*Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(m.Proto) == 0 {
		return nil, fmt.Errorf("open session: the model is empty: %w", assay.ErrInvalid)
	}
	if !rt.env.acquire() {
		return nil, fmt.Errorf("open session: the runtime is closed: %w", assay.ErrUnavailable)
	}
	ref := &sessionRef{env: rt.env}
	if err := ref.open(m, opt); err != nil {
		rt.env.release()
		return nil, fmt.Errorf("open session: %w", err)
	}
	s := &Session{model: m, ref: ref}
	if err := s.name(); err != nil {
		ref.release()
		return nil, fmt.Errorf("open session: %w", err)
	}
	s.cleanup = runtime.AddCleanup(s, (*sessionRef).release, ref)
	return s, nil
}

// optimizeAll is ORT_ENABLE_ALL: fusions and layouts chosen for this CPU.
const optimizeAll = 99

// open creates the library's session.
func (r *sessionRef) open(m *onnx.Model, opt SessionOptions) error {
	a := r.env.api
	var options handle
	if err := a.check(a.createOptions(&options)); err != nil {
		return err
	}
	defer a.releaseOptions(options)

	threads := opt.Threads
	if threads < 0 {
		return fmt.Errorf("%d threads: %w", threads, assay.ErrInvalid)
	}
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	config := map[string]string{
		"session.disable_prepacking": "1",
		// Threads that wait for work sleep. Spinning would double the processor time
		// of small graphs, which decoding and other sessions can use.
		"session.intra_op.allow_spinning": "0",
	}
	if opt.Prepack {
		config["session.disable_prepacking"] = "0"
	}
	if m.Dir != "" {
		dir, err := filepath.EvalSymlinks(m.Dir) // the library refuses files reached through links
		if err != nil {
			return err
		}
		config["session.model_external_initializers_file_folder_path"] = dir
	}
	steps := []status{
		a.setOptimization(options, optimizeAll),
		a.setIntraThreads(options, int32(threads)),
		a.setInterThreads(options, 1),
	}
	if gemm.Supported() {
		d, err := r.env.domain(threads)
		if err != nil {
			return err
		}
		steps = append(steps, a.addDomain(options, d))
	}
	for k, v := range config {
		steps = append(steps, a.addConfig(options, k, v))
	}
	var first error
	for _, st := range steps { // all of them, since each may hold memory
		if err := a.check(st); first == nil {
			first = err
		}
	}
	if first != nil {
		return first
	}
	return a.check(a.createSession(r.env.handle, &m.Proto[0], uintptr(len(m.Proto)), options, &r.handle))
}

// name checks that the graph's inputs and outputs are those the model lists, and
// keeps their names as C wants them.
func (s *Session) name() error {
	a := s.ref.env.api
	in, err := s.names(a.inputCount, a.inputName)
	if err != nil {
		return err
	}
	out, err := s.names(a.outputCount, a.outputName)
	if err != nil {
		return err
	}
	if !slices.Equal(in, s.model.Inputs) || !slices.Equal(out, s.model.Outputs) {
		return fmt.Errorf("the graph takes %q and gives %q, the model says %q and %q: %w",
			in, out, s.model.Inputs, s.model.Outputs, assay.ErrInvalid)
	}
	for _, n := range in {
		s.inputs = append(s.inputs, append(cname(n), 0))
	}
	for _, n := range out {
		s.outputs = append(s.outputs, append(cname(n), 0))
	}
	return nil
}

// names reads a list of names from the library.
func (s *Session) names(
	count func(handle, *uintptr) status,
	name func(handle, uintptr, handle, *unsafe.Pointer) status,
) ([]string, error) {
	a, e := s.ref.env.api, s.ref.env
	var n uintptr
	if err := a.check(count(s.ref.handle, &n)); err != nil {
		return nil, err
	}
	var list []string
	for i := range n {
		var p unsafe.Pointer
		if err := a.check(name(s.ref.handle, i, e.alloc, &p)); err != nil {
			return nil, err
		}
		list = append(list, cstring(p))
		if err := a.check(a.allocatorFree(e.alloc, p)); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Run executes the graph. The inputs are in the order of the model's Inputs, the
// results in the order of its Outputs. The inputs must not change until Run
// returns; the results belong to the caller. If ctx is done first, Run stops
// between two nodes of the graph and returns the context's error, and the session
// stays usable.
func (s *Session) Run(ctx context.Context, in ...onnx.Tensor) ([]onnx.Tensor, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.fit(in); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.ref == nil {
		return nil, fmt.Errorf("run: the session is closed: %w", assay.ErrUnavailable)
	}
	a := s.ref.env.api
	var options handle
	if err := a.check(a.createRunOptions(&options)); err != nil {
		return nil, err
	}
	defer a.releaseRunOptions(options)
	c := call{api: a, memory: s.ref.env.memory}
	defer c.close()
	if err := c.prepare(s, in); err != nil {
		return nil, err
	}
	stop := terminateOn(ctx, a, options)
	err := c.run(s.ref.handle, options)
	stop()
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	return c.results(s.model.Outputs)
}

// fit checks the arguments of Run.
func (s *Session) fit(in []onnx.Tensor) error {
	if len(in) != len(s.model.Inputs) {
		return fmt.Errorf("run: %d inputs, the graph takes %q: %w", len(in), s.model.Inputs, assay.ErrInvalid)
	}
	for i, t := range in {
		n := 1
		for _, d := range t.Shape {
			if d < 1 || n > len(t.Data)/d {
				n = -1
				break
			}
			n *= d
		}
		if n != len(t.Data) {
			return fmt.Errorf("run: input %q: %d values for shape %v: %w", s.model.Inputs[i], len(t.Data), t.Shape, assay.ErrInvalid)
		}
	}
	return nil
}

// terminateOn stops a run when ctx is done. The returned function ends the
// watch; after it has returned the options are not touched any more.
func terminateOn(ctx context.Context, a *api, options handle) (stop func()) {
	done := make(chan struct{})
	unwatch := context.AfterFunc(ctx, func() {
		defer close(done)
		if st := a.terminate(options); st != 0 {
			a.releaseStatus(st) // the run then ends by itself
		}
	})
	return func() {
		if !unwatch() {
			<-done
		}
	}
}

// Close waits for the runs in progress and releases the session. It may be
// called more than once.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ref != nil {
		s.cleanup.Stop()
		s.ref.release()
		s.ref = nil
	}
	return nil
}

// A call holds what one run lends to the library.
type call struct {
	api     *api
	memory  handle
	pin     runtime.Pinner // of all Go memory the library sees
	inNames []*byte
	names   []*byte // of the outputs
	in, out []handle
}

// prepare wraps the inputs. Their memory is lent, not copied.
func (c *call) prepare(s *Session, in []onnx.Tensor) error {
	lend := func(names []cname) []*byte {
		var list []*byte
		for _, n := range names {
			c.pin.Pin(&n[0])
			list = append(list, &n[0])
		}
		return list
	}
	c.inNames, c.names = lend(s.inputs), lend(s.outputs)
	c.out = make([]handle, len(s.outputs))
	for i, t := range in {
		shape := make([]int64, max(len(t.Shape), 1)) // never empty, to have an address
		for j, d := range t.Shape {
			shape[j] = int64(d)
		}
		c.pin.Pin(&t.Data[0])
		var v handle
		st := c.api.createTensor(c.memory, &t.Data[0], uintptr(4*len(t.Data)), &shape[0], uintptr(len(t.Shape)), int32(onnx.Float32), &v)
		if err := c.api.check(st); err != nil {
			return fmt.Errorf("input %q: %w", s.model.Inputs[i], err)
		}
		c.in = append(c.in, v)
	}
	return nil
}

// run calls the library.
func (c *call) run(session, options handle) error {
	var inNames **byte
	var in *handle
	if len(c.in) > 0 {
		inNames, in = &c.inNames[0], &c.in[0]
	}
	return c.api.check(c.api.run(session, options, inNames, in, uintptr(len(c.in)), &c.names[0], uintptr(len(c.out)), &c.out[0]))
}

// results copies the outputs, which have the given names.
func (c *call) results(names []string) ([]onnx.Tensor, error) {
	list := make([]onnx.Tensor, len(c.out))
	for i, v := range c.out {
		t, err := c.tensor(v)
		if err != nil {
			return nil, fmt.Errorf("output %q: %w", names[i], err)
		}
		list[i] = t
	}
	return list, nil
}

// tensor copies a value of the library.
func (c *call) tensor(v handle) (onnx.Tensor, error) {
	a := c.api
	var info handle
	if err := a.check(a.tensorInfo(v, &info)); err != nil {
		return onnx.Tensor{}, err
	}
	defer a.releaseInfo(info)
	var elem int32
	if err := a.check(a.elemType(info, &elem)); err != nil {
		return onnx.Tensor{}, err
	}
	if elem != int32(onnx.Float32) {
		return onnx.Tensor{}, fmt.Errorf("elements are %v, want float32: %w", onnx.DType(elem), assay.ErrInvalid)
	}
	var rank uintptr
	if err := a.check(a.rank(info, &rank)); err != nil {
		return onnx.Tensor{}, err
	}
	t := onnx.Tensor{Shape: make([]int, rank)}
	n := 1
	if rank > 0 {
		dims := make([]int64, rank)
		if err := a.check(a.dims(info, &dims[0], rank)); err != nil {
			return onnx.Tensor{}, err
		}
		for i, d := range dims {
			t.Shape[i] = int(d)
			n *= int(d)
		}
	}
	var p unsafe.Pointer
	if err := a.check(a.tensorData(v, &p)); err != nil {
		return onnx.Tensor{}, err
	}
	t.Data = slices.Clone(unsafe.Slice((*float32)(p), n))
	return t, nil
}

// close gives everything back.
func (c *call) close() {
	for _, v := range slices.Concat(c.in, c.out) {
		if v != 0 {
			c.api.releaseValue(v)
		}
	}
	c.pin.Unpin()
}
