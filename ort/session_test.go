package ort

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/onnx"
)

// convNet is a small image network of every kind of node that may run on
// several threads: [1, 3, h, w] to [1, 8].
func convNet(b *onnx.Builder) {
	x := b.Input("x", 1, 3, onnx.Dynamic, onnx.Dynamic)
	x = b.Relu(b.Conv(x, b.Param("w0", 32, 3, 3, 3), b.Param("w1", 32), onnx.ConvOptions{Stride: [2]int{2, 2}}))
	x = b.MaxPool(x, onnx.PoolOptions{Kernel: [2]int{3, 3}, Stride: [2]int{2, 2}, Ceil: true})
	x = b.Relu(b.Conv(x, b.Param("w2", 64, 32, 3, 3), b.Param("w3", 64), onnx.ConvOptions{}))
	x = b.Reshape(b.ReduceMean(x, true, 2, 3), 1, 64)
	b.Output("y", b.Gemm(x, b.Param("w4", 8, 64), b.Param("w5", 8), true))
}

func convWeights(t testing.TB, dir string) *fileWeights {
	return newWeights(t, dir, uniform(1, 32, 3, 3, 3), uniform(2, 32), uniform(3, 64, 32, 3, 3), uniform(4, 64), uniform(5, 8, 64), uniform(6, 8))
}

func TestConcurrentCallersGetTheSameBits(t *testing.T) {
	rt := openRuntime(t)
	m := build(t, convWeights(t, t.TempDir()), convNet)
	one := openSession(t, rt, m, SessionOptions{Threads: 1})
	two := openSession(t, rt, m, SessionOptions{Threads: 2})

	sizes := []int{17, 40, 64, 101}
	in, want := make([]onnx.Tensor, len(sizes)), make([]onnx.Tensor, len(sizes))
	for i, n := range sizes {
		in[i] = uniform(uint64(10+i), 1, 3, n, n+3)
		out, err := one.Run(t.Context(), in[i])
		if err != nil {
			t.Fatal(err)
		}
		want[i] = out[0]
	}
	var wg sync.WaitGroup
	for c := range 8 {
		wg.Go(func() {
			for k := range 24 {
				i := (c + k) % len(in)
				s := []*Session{one, two}[k%2]
				out, err := s.Run(t.Context(), in[i])
				if err != nil {
					t.Error(err)
					return
				}
				for j, v := range out[0].Data {
					if v != want[i].Data[j] {
						t.Errorf("caller %d: value %d is %g, alone it was %g", c, j, v, want[i].Data[j])
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

// longGraph takes seconds: a chain of products that no optimiser can fold.
func longGraph(b *onnx.Builder) {
	x := b.Input("x", 512, 512)
	y := x
	for range 4000 {
		y = b.Mul(b.MatMul(y, x), b.Scalar(0.05))
	}
	b.Output("y", y)
}

func TestCancel(t *testing.T) {
	rt := openRuntime(t)
	s := openSession(t, rt, build(t, nil, longGraph), SessionOptions{})
	small := uniform(1, 512, 512)
	for trial := range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		start := time.Now()
		_, err := s.Run(ctx, small)
		took := time.Since(start)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("trial %d: error %v after %v, want the deadline's", trial, err, took)
		}
		if took > 5*time.Second { // long before the end would be reached on a busy machine
			t.Errorf("trial %d: stopped after %v", trial, took)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Run(ctx, small); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: error %v", err)
	}

	// Another caller of the same session is left alone.
	fast := openSession(t, rt, build(t, convWeights(t, ""), convNet), SessionOptions{})
	x := uniform(2, 1, 3, 64, 64)
	want, err := fast.Run(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(cancel)
		wg.Go(func() {
			if _, err := fast.Run(ctx, x); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
		got, err := fast.Run(t.Context(), x)
		wg.Wait()
		if err != nil {
			t.Fatal(err)
		}
		sameBits(t, "beside a cancelled run", got[0], want[0])
	}
}

func TestBadModels(t *testing.T) {
	rt := openRuntime(t)
	good := build(t, convWeights(t, ""), convNet)
	for name, proto := range map[string][]byte{
		"empty":          nil,
		"not a message":  []byte("this is not a model at all"),
		"cut":            good.Proto[:len(good.Proto)/2],
		"zeros":          make([]byte, 1000),
		"unknown op":     bytes.ReplaceAll(good.Proto, []byte("MaxPool"), []byte("MinPool")),
		"dangling input": bytes.Replace(good.Proto, []byte("\n\x01x"), []byte("\n\x01z"), 1),
	} {
		m := *good
		m.Proto = proto
		s, err := rt.OpenSession(t.Context(), &m, SessionOptions{})
		if !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: error %v, want one that wraps %v", name, err, assay.ErrInvalid)
		}
		if s != nil {
			t.Errorf("%s: a session beside the error", name)
		}
	}
	m := *good
	m.Inputs = []string{"image"}
	if _, err := rt.OpenSession(t.Context(), &m, SessionOptions{}); err == nil || !strings.Contains(err.Error(), `"image"`) {
		t.Errorf("wrong input name: error %v", err)
	}
	if _, err := rt.OpenSession(t.Context(), good, SessionOptions{Threads: -1}); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("−1 threads: error %v", err)
	}
}

func TestBadInputs(t *testing.T) {
	rt := openRuntime(t)
	s := openSession(t, rt, build(t, convWeights(t, ""), convNet), SessionOptions{})
	x := uniform(1, 1, 3, 32, 32)
	check := func(name string, in ...onnx.Tensor) {
		t.Helper()
		if out, err := s.Run(t.Context(), in...); !errors.Is(err, assay.ErrInvalid) || out != nil {
			t.Errorf("%s: result %v, error %v, want one that wraps %v", name, out, err, assay.ErrInvalid)
		}
	}
	check("none")
	check("two", x, x)
	check("channels", uniform(1, 1, 4, 32, 32))
	check("rank", uniform(1, 3, 32, 32))
	check("zero length", onnx.Tensor{Shape: []int{1, 3, 0, 32}})
	check("nothing", onnx.Tensor{})
	check("too few values", onnx.Tensor{Shape: x.Shape, Data: x.Data[1:]})
	check("too many values", onnx.Tensor{Shape: []int{1, 3, 32, 31}, Data: x.Data})
	check("overflow", onnx.Tensor{Shape: []int{1 << 40, 1 << 40, 1 << 40, 3}, Data: x.Data})
	check("too small an image", uniform(1, 1, 3, 2, 32))
	if _, err := s.Run(t.Context(), x); err != nil {
		t.Errorf("a good input after bad ones: %v", err)
	}
}

func TestScalarsAndSeveralOutputs(t *testing.T) {
	rt := openRuntime(t)
	m := build(t, nil, func(b *onnx.Builder) {
		x, y := b.Input("x"), b.Input("y", 2)
		b.Output("sum", b.Add(x, y))
		b.Output("twice", b.Add(x, x))
		b.Output("same", x)
	})
	s := openSession(t, rt, m, SessionOptions{})
	out, err := s.Run(t.Context(), onnx.Tensor{Data: []float32{3}}, onnx.Tensor{Shape: []int{2}, Data: []float32{1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	sameBits(t, "sum", out[0], onnx.Tensor{Shape: []int{2}, Data: []float32{4, 5}})
	sameBits(t, "twice", out[1], onnx.Tensor{Shape: []int{}, Data: []float32{6}})
	sameBits(t, "same", out[2], onnx.Tensor{Shape: []int{}, Data: []float32{3}})
}

// TestMappedWeights checks that large weights are left in their file, also when
// it is reached through a link, and that the results are those of a copy.
func TestMappedWeights(t *testing.T) {
	rt := openRuntime(t)
	const n = 4096 // n·n values are 64 MiB
	big := uniform(1, n, n)
	graph := func(b *onnx.Builder) {
		b.Output("y", b.Gemm(b.Input("x", 1, n), b.Param("w0", n, n), onnx.Value{}, true))
	}
	w := newWeights(t, t.TempDir(), big)
	link := filepath.Join(t.TempDir(), "link.bin")
	if err := os.Symlink(w.file, link); err != nil {
		t.Skipf("no links here: %v", err)
	}
	real := w.file
	w.file = link
	m := build(t, w, graph)
	if want, err := filepath.EvalSymlinks(filepath.Dir(real)); err != nil || m.Dir != want {
		t.Errorf("model folder %s, want %s (%v)", m.Dir, want, err)
	}
	if len(m.Proto) > 1000 {
		t.Errorf("the model has %d bytes: weights were copied into it", len(m.Proto))
	}
	before := anonymous(t)
	s := openSession(t, rt, m, SessionOptions{})
	x := uniform(2, 1, n)
	got, err := s.Run(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	if grown := anonymous(t) - before; grown > n*n*4/2 {
		t.Errorf("private memory grew by %d MB: weights were copied", grown>>20)
	}
	w.file = "" // now the same from the graph's own bytes
	want, err := openSession(t, rt, build(t, w, graph), SessionOptions{}).Run(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	sameBits(t, "mapped", got[0], want[0])
}

func TestMissingWeightsFile(t *testing.T) {
	rt := openRuntime(t)
	w := convWeights(t, t.TempDir())
	m := build(t, w, convNet)
	if err := os.Truncate(w.file, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := rt.OpenSession(t.Context(), m, SessionOptions{}); err == nil {
		t.Error("a session with half its weights")
	}
	if err := os.Remove(w.file); err != nil {
		t.Fatal(err)
	}
	if _, err := rt.OpenSession(t.Context(), m, SessionOptions{}); err == nil {
		t.Error("a session without its weights")
	}
}

func TestCloseTwice(t *testing.T) {
	rt := openRuntime(t)
	m := build(t, convWeights(t, ""), convNet)
	s := openSession(t, rt, m, SessionOptions{})
	if err := rt.Close(); err != nil {
		t.Fatal(err)
	}
	x := uniform(1, 1, 3, 32, 32)
	if _, err := s.Run(t.Context(), x); err != nil {
		t.Errorf("a session outlives its runtime's Close: %v", err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Run(t.Context(), x); !errors.Is(err, assay.ErrUnavailable) {
		t.Errorf("run after close: %v", err)
	}
	if _, err := rt.OpenSession(t.Context(), m, SessionOptions{}); !errors.Is(err, assay.ErrUnavailable) {
		t.Errorf("open after close: %v", err)
	}
}

// TestDroppedSessions checks that sessions nobody closed are released with the
// garbage.
func TestDroppedSessions(t *testing.T) {
	rt := openRuntime(t)
	m := build(t, convWeights(t, ""), convNet)
	for range 20 {
		if _, err := rt.OpenSession(t.Context(), m, SessionOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	refs := func() int {
		rt.env.mu.Lock()
		defer rt.env.mu.Unlock()
		return rt.env.refs
	}
	for range 100 {
		runtime.GC()
		if refs() == 1 { // the runtime itself
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("%d references are held, want 1", refs())
}

func TestRunsLeakNothing(t *testing.T) {
	rt := openRuntime(t)
	m := build(t, nil, func(b *onnx.Builder) { // results of 1 MiB
		b.Output("y", b.Add(b.Input("x", 512, 512), b.Scalar(1)))
	})
	s := openSession(t, rt, m, SessionOptions{})
	x := uniform(1, 512, 512)
	run := func(n int) {
		for range n {
			if _, err := s.Run(t.Context(), x); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Run(t.Context()); err == nil { // mistakes leak nothing either
				t.Fatal("a run without input")
			}
			if _, err := s.Run(t.Context(), onnx.Tensor{Shape: []int{4}, Data: x.Data[:4]}); err == nil {
				t.Fatal("a run with a wrong input")
			}
		}
		runtime.GC()
	}
	run(50)
	before := anonymous(t)
	run(500)
	if grown := anonymous(t) - before; grown > 100<<20 {
		t.Errorf("500 runs with results of 1 MiB left %d MiB behind", grown>>20)
	}
}

func TestRuntime(t *testing.T) {
	rt := openRuntime(t)
	if !strings.HasPrefix(rt.Name(), "onnxruntime "+rt.Version()) || rt.Version() == "" {
		t.Errorf("name %q, version %q", rt.Name(), rt.Version())
	}
	names, err := rt.Providers()
	if err != nil || !strings.Contains(strings.Join(names, " "), "CPUExecutionProvider") {
		t.Errorf("providers %q, error %v", names, err)
	}
}

func BenchmarkOpenSession(b *testing.B) {
	rt := openRuntime(b)
	m := build(b, convWeights(b, b.TempDir()), convNet)
	b.ReportAllocs()
	for b.Loop() {
		s, err := rt.OpenSession(b.Context(), m, SessionOptions{})
		if err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}

// BenchmarkRun measures what a call costs beside the graph's own work.
func BenchmarkRun(b *testing.B) {
	rt := openRuntime(b)
	m := build(b, nil, func(b *onnx.Builder) { b.Output("y", b.Add(b.Input("x", 4), b.Scalar(1))) })
	s := openSession(b, rt, m, SessionOptions{Threads: 1})
	x := uniform(1, 4)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Run(b.Context(), x); err != nil {
			b.Fatal(err)
		}
	}
}
