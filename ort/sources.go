package ort

import (
	"archive/tar"
	"archive/zip"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gen-emerge/assay"
)

// maxUnpacked bounds what is unpacked while looking for the library, in bytes:
// the real archive holds 300 MB.
const maxUnpacked = 1 << 30

// stallAfter is how long a download may stay silent.
const stallAfter = 60 * time.Second

// npmPack has npm fetch the package.
func (in installer) npmPack(ctx context.Context, p pin, save func(io.Reader) error) error {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return errors.New("npm is not on the PATH")
	}
	file, err := download(ctx, "*.tgz", func(dir string) []string {
		return []string{npm, "pack", npmPackage + "@" + Version, "--ignore-scripts", "--pack-destination", dir}
	})
	if err != nil {
		return err
	}
	defer file.remove()
	f, err := os.Open(file.path)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha512.New()
	if _, err := io.Copy(h, io.LimitReader(f, npmTarball+1)); err != nil {
		return err
	}
	if got := "sha512-" + base64.StdEncoding.EncodeToString(h.Sum(nil)); got != in.integrity {
		return fmt.Errorf("the package has integrity %s, want %s: %w", got, in.integrity, assay.ErrInvalid)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return untar(f, p, save)
}

// registry downloads the package over HTTP and stops when the library has
// passed. The package's own digest cannot be checked then; the library's is.
func (in installer) registry(ctx context.Context, p pin, save func(io.Reader) error) error {
	base := cmp.Or(os.Getenv("npm_config_registry"), os.Getenv("NPM_CONFIG_REGISTRY"))
	if base == "" {
		return fmt.Errorf("npm_config_registry does not name a registry: %w", assay.ErrUnavailable)
	}
	url := fmt.Sprintf("%s/%s/-/%s-%s.tgz", strings.TrimRight(base, "/"), npmPackage, npmPackage, Version)

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(stallAfter, func() {
		cancel(fmt.Errorf("%s: silent for %v", url, stallAfter))
	})
	defer stalled.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		if context.Cause(ctx) != nil {
			return context.Cause(ctx)
		}
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, resp.Status)
	}
	err = untar(beat{resp.Body, stalled}, p, save)
	if err != nil && context.Cause(ctx) != nil {
		return context.Cause(ctx)
	}
	return err
}

// A beat puts off an alarm whenever bytes arrive.
type beat struct {
	io.Reader
	alarm *time.Timer
}

func (b beat) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if n > 0 {
		b.alarm.Reset(stallAfter)
	}
	return n, err
}

// pipDownload has pip fetch the wheel, with the first pip that manages.
func pipDownload(ctx context.Context, p pin, save func(io.Reader) error) error {
	var failed []error
	for _, pip := range [][]string{{"pip3"}, {"pip"}, {"python3", "-m", "pip"}, {"python", "-m", "pip"}, {"py", "-m", "pip"}} {
		exe, err := exec.LookPath(pip[0])
		if err != nil {
			continue
		}
		file, err := download(ctx, "*.whl", func(dir string) []string {
			return append(append([]string{exe}, pip[1:]...),
				"download", "--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check",
				"--implementation", "cp", "--python-version", pipPython, "--abi", pipABI, "--platform", p.platform,
				"--dest", dir, pipPackage+"=="+Version)
		})
		if err != nil {
			failed = append(failed, err)
			continue
		}
		err = unzip(file.path, p, save)
		file.remove()
		return err
	}
	if len(failed) == 0 {
		return errors.New("neither pip nor python is on the PATH")
	}
	return errors.Join(failed...)
}

// A fetched is a file in a folder of its own.
type fetched struct{ path string }

func (f fetched) remove() { os.RemoveAll(filepath.Dir(f.path)) }

// download runs a command that puts exactly one file of the given pattern into a
// new folder.
func download(ctx context.Context, pattern string, command func(dir string) []string) (f fetched, err error) {
	dir, err := os.MkdirTemp("", "assay-ort-*")
	if err != nil {
		return fetched{}, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	args := command(dir)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	cmd.WaitDelay = 10 * time.Second // then its children are not waited for
	var out tail
	cmd.Stdout, cmd.Stderr = io.Discard, &out
	if err := cmd.Run(); err != nil {
		return fetched{}, fmt.Errorf("%s: %w%s", filepath.Base(args[0]), err, out.text())
	}
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		return fetched{}, err
	}
	if len(files) != 1 {
		return fetched{}, fmt.Errorf("%s: left %d files like %s, want one", filepath.Base(args[0]), len(files), pattern)
	}
	return fetched{files[0]}, nil
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

// untar finds the library in a gzipped tar archive. Nothing is written under the
// archive's names.
func untar(r io.Reader, p pin, save func(io.Reader) error) error {
	z, err := gzip.NewReader(r)
	if err != nil {
		return err
	}
	t := tar.NewReader(io.LimitReader(z, maxUnpacked))
	for {
		h, err := t.Next()
		if err == io.EOF {
			return fmt.Errorf("the package has no %s: %w", p.member, assay.ErrInvalid)
		}
		if err != nil {
			return err
		}
		if h.Name != p.member {
			continue
		}
		if h.Typeflag != tar.TypeReg || h.Size != p.size {
			return fmt.Errorf("%s in the package has %d bytes (type %q), want a file of %d: %w",
				p.member, h.Size, h.Typeflag, p.size, assay.ErrInvalid)
		}
		return save(t)
	}
}

// unzip finds the library in a wheel.
func unzip(path string, p pin, save func(io.Reader) error) error {
	z, err := zip.OpenReader(path)
	if err != nil {
		return err
	}
	defer z.Close()
	for _, f := range z.File {
		if f.Name != p.member {
			continue
		}
		if f.UncompressedSize64 != uint64(p.size) {
			return fmt.Errorf("%s in the wheel has %d bytes, want %d: %w", p.member, f.UncompressedSize64, p.size, assay.ErrInvalid)
		}
		r, err := f.Open()
		if err != nil {
			return err
		}
		defer r.Close()
		return save(r)
	}
	return fmt.Errorf("the wheel has no %s: %w", p.member, assay.ErrInvalid)
}
