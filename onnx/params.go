package onnx

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gen-emerge/assay"
)

// inlineBelow is the size in bytes under which a tensor is copied into the
// graph: mapping it would save nothing, and a runtime can fold a constant only
// when it sees the values.
const inlineBelow = 1024

// paramTypes are the element types a parameter may have in a checkpoint, with
// their ONNX number and their size in bytes.
var paramTypes = [...]struct {
	name  string
	onnx  int32
	bytes int
}{
	{"float32", 1, 4},
	{"float16", 10, 2},
	{"bfloat16", 16, 2},
	{"float64", 11, 8},
	{"int8", int32(Int8), 1},
}

// load declares the initializer of a tensor whose shape has been checked, and a
// cast if it is of another floating-point type than float32.
func (b *Builder) load(name string, shape []int) Value {
	file, offset, length, dtype := b.weights.Place(name)
	init := initializer{name: name, shape: shape, file: file, offset: offset, length: length}
	size := 0
	for _, t := range paramTypes {
		if t.name == dtype {
			init.dtype, size = t.onnx, t.bytes
		}
	}
	if size == 0 {
		return b.Fail("weight %q: type %q cannot be a parameter, want float32, float16, bfloat16, float64 or int8", name, dtype)
	}
	n, ok := volume(shape)
	if !ok || length != int64(n)*int64(size) {
		return b.Fail("weight %q: %d bytes for shape %v of %s", name, length, shape, dtype)
	}
	if file == "" || length < inlineBelow {
		raw, err := b.weights.Bytes(name)
		if err != nil {
			return b.Fail("weight %q: %v", name, err)
		}
		if int64(len(raw)) != length {
			return b.Fail("weight %q: %d bytes read, want %d", name, len(raw), length)
		}
		init.raw, init.file = raw, ""
	}
	v := b.define(name, shape, DType(init.dtype))
	if b.err != nil {
		return Value{}
	}
	b.inits = append(b.inits, init)
	if v.dtype != Float32 && v.dtype != Int8 {
		v = b.node("Cast", shape, Float32, []Value{v}, attrInt("to", int64(Float32)))
	}
	return v
}

// placeExternal finds the folder that holds every mapped file, following
// symbolic links because ONNX Runtime refuses those that leave the folder, and
// makes the files' names relative to it. It returns "" if nothing is mapped.
func placeExternal(inits []initializer) (dir string, err error) {
	real := make(map[string]string) // file as given → absolute, without links
	for _, t := range inits {
		if t.file == "" || real[t.file] != "" {
			continue
		}
		path, err := filepath.EvalSymlinks(t.file)
		if err == nil {
			path, err = filepath.Abs(path)
		}
		if err != nil {
			return "", fmt.Errorf("weight %q: %w", t.name, err)
		}
		if err := within(path, t); err != nil {
			return "", err
		}
		real[t.file] = path
		if dir == "" {
			dir = filepath.Dir(path)
		}
		for dir != filepath.Dir(dir) && !inside(dir, path) {
			dir = filepath.Dir(dir)
		}
		if !inside(dir, path) {
			return "", fmt.Errorf("weight %q: %s and the other checkpoint files lie on different volumes: %w", t.name, path, assay.ErrInvalid)
		}
	}
	for i := range inits {
		if t := &inits[i]; t.file != "" {
			rel, err := filepath.Rel(dir, real[t.file])
			if err != nil {
				return "", fmt.Errorf("weight %q: %w", t.name, err)
			}
			t.location = filepath.ToSlash(rel)
		}
	}
	return dir, nil
}

// within checks that the file of a mapped tensor is there.
func within(path string, t initializer) error {
	st, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("weight %q: %w", t.name, err)
	}
	if !st.Mode().IsRegular() {
		return fmt.Errorf("weight %q: %s is not a regular file: %w", t.name, path, assay.ErrInvalid)
	}
	return nil
}

// inside reports whether file lies in dir or below it.
func inside(dir, file string) bool {
	rel, err := filepath.Rel(dir, file)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
