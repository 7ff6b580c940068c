package weights

import (
	"archive/zip"
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/gen-emerge/assay"
)

// fuzzOpen parses data and checks that it is either refused or consistent, and
// that no more memory than memoryBound was allocated on the way.
func fuzzOpen(t *testing.T, data []byte) {
	var c *Checkpoint
	var err error
	memory := allocated(func() { c, err = openBytes(data, Limits{Inflate: 1 << 20}) })
	if most := memoryBound(len(data)); memory > most {
		t.Fatalf("%d bytes allocated for %d of input, at most %d expected", memory, len(data), most)
	}
	if err != nil {
		if !errors.Is(err, assay.ErrInvalid) {
			t.Fatalf("refused without ErrInvalid: %v", err)
		}
		return
	}
	checkInvariants(t, c)
	again, err := openBytes(bytes.Clone(data), Limits{Inflate: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	a, errA := c.Digest()
	b, errB := again.Digest()
	if a != b || (errA == nil) != (errB == nil) {
		t.Fatalf("two readings, two digests: %s %v, %s %v", a, errA, b, errB)
	}
}

func seedFiles(f *testing.F, names ...string) {
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
}

func FuzzSafetensors(f *testing.F) {
	seedFiles(f, "flat.st")
	f.Add(safetensorsRows([]row{{"a", []int64{2, 2}, make([]byte, 16)}, {"b", []int64{}, make([]byte, 4)}}))
	f.Fuzz(fuzzOpen)
}

func FuzzTorchZip(f *testing.F) {
	seedFiles(f, "flat_zip.torch", "torch_zip.torch")
	f.Fuzz(fuzzOpen)
}

func FuzzTorchScript(f *testing.F) {
	seedFiles(f, "attributes_new.pt", "script_old.pt")
	f.Fuzz(fuzzOpen)
}

// FuzzScriptPickle spares the fuzzer the zip around a module.
func FuzzScriptPickle(f *testing.F) {
	f.Add(newPickle().module("A").str("w").tensor("0", "HalfStorage", 32, 0, []int64{4, 8}, []int64{8, 1}).
		str("n").num(3).str("b").module("B").str("x").tensor("1", "FloatStorage", 16, 0, []int64{16}, []int64{1}).end().end().stop())
	f.Add(newPickle().module("A").str("l").global(string(buildIntList)).op(opEmptyList, opMark).num(1).op(opAppends, opTuple1, opReduce).
		str("d").global(string(restoreTypeTag)).op(opEmptyDict).str("Dict[str, int]").op(opTuple2, opReduce).
		str("dev").global(string(torchDevice)).str("cpu").op(opTuple1, opReduce).end().stop())
	f.Fuzz(func(t *testing.T, pickle []byte) {
		fuzzOpen(t, torchZip(t, pickle, make([]byte, 64), make([]byte, 64)))
	})
}

// FuzzArchive opens every file of an archive as a checkpoint.
func FuzzArchive(f *testing.F) {
	f.Add(zipOf(f, entry{"a/b.json", []byte("{}"), zip.Deflate}, entry{"a/c.st", safetensorsRows([]row{{"a", []int64{1}, make([]byte, 4)}}), zip.Store}))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := parseArchive(bytes.NewReader(data), int64(len(data)), "test")
		if err != nil {
			if !errors.Is(err, assay.ErrInvalid) {
				t.Fatalf("refused without ErrInvalid: %v", err)
			}
			return
		}
		defer a.Close()
		for _, name := range a.Names() {
			content, err := a.ReadFile(name, 1<<20)
			if err == nil && int64(len(content)) > 1<<20 {
				t.Fatalf("%q: %d bytes", name, len(content))
			}
			if err != nil && !errors.Is(err, assay.ErrInvalid) {
				t.Fatalf("%q: %v", name, err)
			}
			if f := a.files[name]; f.UncompressedSize64 > 1<<20 {
				continue // slow, not dangerous
			}
			c, err := a.Checkpoint(name, Limits{Inflate: 1 << 20})
			if err != nil {
				if !errors.Is(err, assay.ErrInvalid) {
					t.Fatalf("%q: %v", name, err)
				}
				continue
			}
			checkInvariants(t, c)
			c.Close()
		}
	})
}

func FuzzTorchLegacy(f *testing.F) {
	seedFiles(f, "flat_legacy.torch", "torch_legacy.torch")
	f.Fuzz(fuzzOpen)
}

func FuzzNPZ(f *testing.F) {
	seedFiles(f, "numpy_stored.npz", "numpy_deflated.npz")
	f.Fuzz(fuzzOpen)
}

// FuzzNPYHeader spares the fuzzer the zip around an array, and its checksums.
func FuzzNPYHeader(f *testing.F) {
	f.Add([]byte("\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': True, 'shape': (2, 3), }\n"))
	f.Add(npy("{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }\n", []byte("abc")))
	f.Add(npy("{'shape': (), 'fortran_order': False, 'descr': '<f4'}", []byte("abcd")))
	f.Fuzz(func(t *testing.T, array []byte) {
		fuzzOpen(t, zipOf(t, entry{"a.npy", array, zip.Store}))
	})
}

// FuzzPickle spares the fuzzer the zip around a pickle: the storages "0" and "1"
// have 64 bytes each.
func FuzzPickle(f *testing.F) {
	pickle, _ := pickleOf([]row{{"a", []int64{4, 4}, make([]byte, 64)}, {"b", []int64{16}, make([]byte, 64)}})
	f.Add(pickle)
	f.Add(newPickle().op(opEmptyDict, opMark).str("x").op(opEmptyList, opMark).py2("y").
		tensor("1", "HalfStorage", 32, 3, []int64{2, 3}, []int64{1, 4}).op(opAppends, opSetItems).stop())
	f.Add(newPickle().global(string(torchSize)).nums(1, 2).op(opTuple1, opReduce).stop())
	f.Fuzz(func(t *testing.T, pickle []byte) {
		fuzzOpen(t, torchZip(t, pickle, make([]byte, 64), make([]byte, 64)))
	})
}

func FuzzSVR(f *testing.F) {
	f.Add([]byte("svm_type epsilon_svr\nkernel_type rbf\ngamma 0.5\nnr_class 2\ntotal_sv 2\nrho -1\nSV\n1 1:2 3:4\n-1 2:1e-3\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var m *SVR
		var err error
		memory := allocated(func() { m, err = ReadSVR(bytes.NewReader(data)) })
		if memory > memoryBound(len(data)) {
			t.Fatalf("%d bytes allocated for %d of input", memory, len(data))
		}
		if err != nil {
			if !errors.Is(err, assay.ErrInvalid) {
				t.Fatalf("refused without ErrInvalid: %v", err)
			}
			return
		}
		if len(m.Coef) != len(m.SV) || m.Dim() == 0 || !(m.Gamma > 0) || math.IsInf(m.Rho, 0) {
			t.Fatalf("accepted %+v", m)
		}
		for _, sv := range m.SV {
			if len(sv) != m.Dim() {
				t.Fatalf("vectors of %d and %d features", len(sv), m.Dim())
			}
		}
		m.Predict(m.SV[0])
		if len(m.Digest()) != 64 {
			t.Fatal("no digest")
		}
	})
}
