package ort

import (
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"github.com/gen-emerge/assay"
)

// A Runtime is a loaded ONNX Runtime library. It is safe for concurrent use.
type Runtime struct {
	lib     Library
	version string
	env     *env
	closed  sync.Once
	cleanup runtime.Cleanup
}

// Open loads the library. A file that is not ONNX Runtime gives an error
// wrapping [assay.ErrInvalid]; one that cannot be loaded here, or is too old,
// one wrapping [assay.ErrUnavailable]. The library itself stays in memory until
// the program ends: its threads cannot be unloaded safely.
func Open(lib Library) (*Runtime, error) {
	h, err := load(lib.Path)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w: %w; %s", lib.Path, err, assay.ErrUnavailable, remedy)
	}
	a, version, err := bind(h)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w; %s", lib.Path, err, remedy)
	}
	e, err := newEnv(a)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", lib.Path, err)
	}
	rt := &Runtime{lib: lib, version: version, env: e}
	rt.cleanup = runtime.AddCleanup(rt, (*env).release, e)
	return rt, nil
}

// Library says which file was loaded.
func (rt *Runtime) Library() Library { return rt.lib }

// Version returns what the library calls itself, such as "1.30.0".
func (rt *Runtime) Version() string { return rt.version }

// Name says what runs the graphs, for provenance: "onnxruntime 1.30.0 cpu float32".
func (rt *Runtime) Name() string { return "onnxruntime " + rt.version + " cpu float32" }

// Providers lists the execution providers that were built into the library, such
// as "CPUExecutionProvider". Sessions use no other than that one.
func (rt *Runtime) Providers() ([]string, error) {
	a := rt.env.api
	var p unsafe.Pointer
	var n int32
	if err := a.check(a.providers(&p, &n)); err != nil {
		return nil, err
	}
	var names []string
	for _, s := range unsafe.Slice((*unsafe.Pointer)(p), n) {
		names = append(names, cstring(s))
	}
	return names, a.check(a.releaseProviders(p, n))
}

// Close releases the runtime once its sessions are closed too. It may be called
// more than once. Sessions that are open stay usable.
func (rt *Runtime) Close() error {
	rt.closed.Do(func() {
		rt.cleanup.Stop()
		rt.env.release()
	})
	return nil
}

// An env is the library's global state, shared by a Runtime and its sessions.
// It is released when the last of them lets go.
type env struct {
	api    *api
	memory handle // describes the CPU's memory
	alloc  handle // the default allocator

	mu      sync.Mutex
	refs    int
	handle  handle
	domains map[int]*domain // of our operators, by the number of threads
}

// The arguments of CreateEnv and CreateCpuMemoryInfo.
const (
	logFatal       = 4 // failures come back as errors, so the log stays silent
	arenaAllocator = 1
	memoryDefault  = 0
)

// newEnv returns an env with one reference.
func newEnv(a *api) (*env, error) {
	e := &env{api: a, refs: 1}
	if err := a.check(a.createEnv(logFatal, "assay", &e.handle)); err != nil {
		return nil, err
	}
	err := a.check(a.createCPUMemoryInfo(arenaAllocator, memoryDefault, &e.memory))
	if err == nil {
		err = a.check(a.allocator(&e.alloc))
	}
	if err != nil {
		e.release()
		return nil, err
	}
	return e, nil
}

// acquire adds a reference. It reports false if the env is gone.
func (e *env) acquire() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.refs == 0 {
		return false
	}
	e.refs++
	return true
}

// release takes a reference back.
func (e *env) release() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.refs--; e.refs > 0 {
		return
	}
	e.releaseDomains()
	if e.memory != 0 {
		e.api.releaseMemoryInfo(e.memory)
	}
	e.api.releaseEnv(e.handle)
	e.memory, e.handle = 0, 0
}
