package weights

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
)

// floats is a float32 piece of n zeros.
func floats(name string, n int) Piece {
	return Piece{Name: name, Shape: []int{n}, DType: "float32", Make: func() ([]byte, error) { return make([]byte, 4*n), nil }}
}

// TestTorchWritersRefuse holds the writers to naming what they cannot write, and to
// writing nothing of a file that could not be read back.
func TestTorchWritersRefuse(t *testing.T) {
	short := floats("short", 3)
	short.Shape = []int{4}
	typed := func(d string) Piece {
		p := floats("typed", 2)
		p.DType = d
		return p
	}
	zipped := func(opt TorchZipOptions, pieces ...Piece) func(io.Writer) error {
		return func(w io.Writer) error { return WriteTorchZip(t.Context(), w, pieces, opt) }
	}
	stream := func(opt TorchZipOptions, pieces ...Piece) func(io.Writer) error {
		return func(w io.Writer) error { return WriteTorchLegacy(t.Context(), w, pieces, opt) }
	}
	script := func(class string, names ...string) func(io.Writer) error {
		var pieces []Piece
		for _, n := range names {
			pieces = append(pieces, floats(n, 1))
		}
		return func(w io.Writer) error { return WriteTorchScript(t.Context(), w, class, pieces, "") }
	}
	member := func(names ...string) func(io.Writer) error {
		var members []ArchiveMember
		for _, n := range names {
			members = append(members, ArchiveMember{n, func(io.Writer) error { return nil }})
		}
		return func(w io.Writer) error { return WriteArchive(t.Context(), w, members, "") }
	}
	flat := TorchZipOptions{}
	for _, c := range []struct {
		name, says string
		write      func(io.Writer) error
	}{
		{"nothing", "without tensors", zipped(flat)},
		{"twice", `"a"`, zipped(flat, floats("a", 1), floats("a", 1))},
		{"no name", "name", zipped(flat, floats("", 1))},
		{"unknown type", "float4", zipped(flat, typed("float4"))},
		{"type without a storage", "float8_e5m2", zipped(flat, Piece{Name: "typed", Shape: []int{2}, DType: "float8_e5m2", Make: func() ([]byte, error) { return nil, nil }})},
		{"empty dictionary", `"state_dict"`, zipped(TorchZipOptions{Under: []string{"state_dict"}}, floats("a", 1))},
		{"tensor and dictionary", `"s"`, zipped(TorchZipOptions{Under: []string{"s"}}, floats("s", 1), floats("s.a", 1))},
		{"tensor and entry", `"a"`, zipped(TorchZipOptions{Extra: map[string]any{"a": 1}}, floats("a", 1))},
		{"entry of a strange type", "[]int", zipped(TorchZipOptions{Extra: map[string]any{"e": []int{1}}}, floats("a", 1))},
		{"long comment", "comment", zipped(TorchZipOptions{Comment: strings.Repeat("x", 1<<16)}, floats("a", 1))},
		{"stream: nothing", "without tensors", stream(flat)},
		{"stream: twice", `"a"`, stream(flat, floats("a", 1), floats("a", 1))},
		{"stream: type without a storage", "float8_e5m2", stream(flat, Piece{Name: "typed", Shape: []int{2}, DType: "float8_e5m2", Make: func() ([]byte, error) { return nil, nil }})},
		{"stream: tensor and dictionary", `"s"`, stream(TorchZipOptions{Under: []string{"s"}}, floats("s", 1), floats("s.a", 1))},
		{"script: class", `"no class"`, script("no class", "a")},
		{"script: class of a keyword", `"a.class"`, script("a.class", "a")},
		{"script: tensor in a tensor", `"a.b"`, script("M", "a", "a.b")},
		{"script: tensor over a module", `"a"`, script("M", "a.b", "a")},
		{"script: empty part", `"a..b"`, script("M", "a..b")},
		{"script: training", `"a.training"`, script("M", "a.training")},
		{"script: quote", `a\"b`, script("M", `a"b`)},
		{"archive: outside", `"../a"`, member("../a")},
		{"archive: absolute", `"/a"`, member("/a")},
		{"archive: twice", `"a/b"`, member("a/b", "a/b")},
	} {
		var b bytes.Buffer
		if err := c.write(&b); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), c.says) || b.Len() > 0 {
			t.Errorf("%s: %v, after %d bytes; want it to say %s", c.name, err, b.Len(), c.says)
		}
	}
	// What a piece turns out to be wrong about is seen when it is made.
	if err := WriteTorchZip(t.Context(), io.Discard, []Piece{floats("a", 1), short}, flat); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), `"short"`) {
		t.Errorf("too few values: %v", err)
	}
	broken := floats("broken", 1)
	broken.Make = func() ([]byte, error) { return nil, io.ErrUnexpectedEOF }
	if err := WriteTorchScript(t.Context(), io.Discard, "M", []Piece{broken}, ""); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "broken") {
		t.Errorf("a piece that fails: %v", err)
	}
	if err := WriteTorchLegacy(t.Context(), io.Discard, []Piece{floats("a", 1), short}, flat); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), `"short"`) {
		t.Errorf("stream: too few values: %v", err)
	}
	full := errors.New("disk full")
	if err := WriteTorchLegacy(t.Context(), writerFunc(func([]byte) (int, error) { return 0, full }), []Piece{floats("a", 1)}, flat); !errors.Is(err, full) {
		t.Errorf("stream: a writer that fails: %v", err)
	}
	if err := WriteTorchZip(t.Context(), writerFunc(func([]byte) (int, error) { return 0, full }), []Piece{floats("a", 1<<20)}, flat); !errors.Is(err, full) {
		t.Errorf("a writer that fails: %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestTorchWritersStream holds the writers to one piece at a time: when a piece is
// made, those before it are written.
func TestTorchWritersStream(t *testing.T) {
	const n, each = 5, 1 << 20
	for name, write := range map[string]func(context.Context, io.Writer, []Piece) error{
		"zip": func(ctx context.Context, w io.Writer, p []Piece) error {
			return WriteTorchZip(ctx, w, p, TorchZipOptions{})
		},
		"stream": func(ctx context.Context, w io.Writer, p []Piece) error {
			return WriteTorchLegacy(ctx, w, p, TorchZipOptions{})
		},
		"script": func(ctx context.Context, w io.Writer, p []Piece) error { return WriteTorchScript(ctx, w, "M", p, "") },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		out := &countingWriter{w: io.Discard}
		var pieces []Piece
		defer cancel()
		made := 0
		for i := range n {
			p := floats(fmt.Sprintf("m%d.w", i), each/4)
			p.Make = func() ([]byte, error) {
				if made != i || out.n < int64(i*each)-8<<10 { // what archive/zip buffers
					t.Errorf("%s: piece %d is made as number %d, after %d bytes", name, i, made, out.n)
				}
				if made++; made == n {
					cancel()
				}
				return make([]byte, each), nil
			}
			pieces = append(pieces, p)
		}
		if err := write(ctx, out, pieces); !errors.Is(err, context.Canceled) || out.n < (n-1)*each || out.n > n*each {
			t.Errorf("%s: cancelled in the last piece: %v after %d bytes", name, err, out.n)
		}
	}
}

// A sparse keeps what is written, except for long runs of zeros.
type sparse struct {
	size  int64
	parts map[int64][]byte // by offset
}

func (s *sparse) Write(p []byte) (int, error) {
	if len(p) < 1<<20 {
		s.parts[s.size] = bytes.Clone(p)
	}
	s.size += int64(len(p))
	return len(p), nil
}

func (s *sparse) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	for at, part := range s.parts {
		if from, to := max(at, off), min(at+int64(len(part)), off+int64(len(p))); from < to {
			copy(p[from-off:to-off], part[from-at:])
		}
	}
	if off+int64(len(p)) > s.size {
		return int(max(s.size-off, 0)), io.EOF
	}
	return len(p), nil
}

// TestArchiveOver4GiB writes a member whose length needs 64 bits, and one behind it.
func TestArchiveOver4GiB(t *testing.T) {
	if testing.Short() {
		t.Skip("computes the checksum of 4 GiB")
	}
	const long = 4<<30 + 4<<20
	s := &sparse{parts: map[int64][]byte{}}
	zeros := make([]byte, 4<<20)
	err := WriteArchive(t.Context(), s, []ArchiveMember{
		{"long", func(w io.Writer) error {
			for done := 0; done < long; done += len(zeros) {
				if _, err := w.Write(zeros); err != nil {
					return err
				}
			}
			return nil
		}},
		{"behind", func(w io.Writer) error { _, err := io.WriteString(w, "it"); return err }},
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(s, s.size)
	if err != nil {
		t.Fatal(err)
	}
	if len(z.File) != 2 || z.File[0].UncompressedSize64 != long {
		t.Fatalf("%d entries, the first of %d bytes", len(z.File), z.File[0].UncompressedSize64)
	}
	if at, err := z.File[1].DataOffset(); err != nil || at%64 != 0 || at < long {
		t.Errorf("the second starts at %d (%v)", at, err)
	}
	r, err := z.Open("behind")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != "it" {
		t.Errorf("%q %v", got, err)
	}
}
