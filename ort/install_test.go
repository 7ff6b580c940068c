package ort

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gen-emerge/assay"
)

// library stands for the real file: what matters is that it is the pinned one.
var library = bytes.Repeat([]byte("not really a library. "), 5000)

// A member is a file of a package made for a test.
type member struct {
	name string
	data []byte
	link bool // a symbolic link instead
}

func tarball(t testing.TB, members ...member) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	w := tar.NewWriter(z)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Size: int64(len(m.data)), Mode: 0o644, Typeflag: tar.TypeReg}
		if m.link {
			h.Typeflag, h.Size, h.Linkname = tar.TypeSymlink, 0, string(m.data)
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if !m.link {
			w.Write(m.data)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func wheel(t testing.TB, members ...member) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, m := range members {
		w, err := z.Create(m.name)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(m.data)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// testInstaller returns an installer that expects library, in an npm package or
// a wheel, and what it logs.
func testInstaller(t *testing.T) (installer, *[]string) {
	t.Helper()
	sum := sha256.Sum256(library)
	p := pin{goos: runtime.GOOS, goarch: runtime.GOARCH, size: int64(len(library)), sha256: hex.EncodeToString(sum[:])}
	npm, pip := p, p
	npm.archive, npm.member = "npm", "package/bin/lib.so"
	pip.archive, pip.member, pip.platform = "pip", "onnxruntime/capi/lib.so", "some_platform"
	var said []string
	t.Setenv("PATH", t.TempDir()) // no npm, no pip
	t.Setenv("NPM_CONFIG_REGISTRY", "")
	t.Setenv("npm_config_registry", "http://127.0.0.1:1") // nobody listens
	return installer{
		cache: t.TempDir(), log: func(s string) { said = append(said, s) }, pins: []pin{npm, pip},
	}, &said
}

// integrity is what a registry would publish for the package.
func integrity(pkg []byte) string {
	sum := sha512.Sum512(pkg)
	return "sha512-" + base64.StdEncoding.EncodeToString(sum[:])
}

// command puts a program on the PATH: a shell script. $PACKAGE is a file with
// the given bytes.
func command(t *testing.T, name, script string, pkg []byte) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the commands of this test are shell scripts")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "package")
	body := fmt.Sprintf("#!/bin/sh\nPATH=/usr/bin:/bin\nPACKAGE=%s\n%s\n", file, script)
	if err := errors.Join(os.WriteFile(file, pkg, 0o600), os.WriteFile(filepath.Join(dir, name), []byte(body), 0o700)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// serve answers as a registry does, and counts the requests.
func serve(t *testing.T, status int, pkg []byte) *int {
	t.Helper()
	n := new(int)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*n++
		if r.URL.Path != "/base/onnxruntime-node/-/onnxruntime-node-1.30.0.tgz" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		w.WriteHeader(status)
		w.Write(pkg)
	}))
	t.Cleanup(srv.Close)
	t.Setenv("npm_config_registry", srv.URL+"/base/")
	return n
}

// installed fails unless path holds the library and nothing lies beside it.
func installed(t *testing.T, path string, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, library) {
		t.Fatalf("%s: %d bytes, %v; want the library's %d", path, len(got), err, len(library))
	}
	empty(t, filepath.Dir(path), filepath.Base(path))
}

// empty fails unless dir holds the named files and no others.
func empty(t *testing.T, dir string, but ...string) {
	t.Helper()
	var names []string
	filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, filepath.Base(p))
		}
		return nil
	})
	if !slices.Equal(names, but) {
		t.Errorf("%s holds %q, want %q", dir, names, but)
	}
}

// npmScript does what npm pack does: it puts the package where it is told.
const npmScript = `
[ "$1 $2 $3 $4" = "pack onnxruntime-node@1.30.0 --ignore-scripts --pack-destination" ] || { echo "npm: what is $*?" >&2; exit 2; }
cp "$PACKAGE" "$5/onnxruntime-node-1.30.0.tgz"
echo onnxruntime-node-1.30.0.tgz`

// pipScript does what pip download does.
const pipScript = `
last=
while [ $# -gt 0 ]; do
	[ "$1" = --dest ] && dest=$2
	[ "$1" = --platform ] && platform=$2
	last=$1
	shift
done
[ "$last $platform" = "onnxruntime==1.30.0 some_platform" ] || { echo "pip: what is $last?" >&2; exit 2; }
cp "$PACKAGE" "$dest/onnxruntime-1.30.0-cp312-cp312-some_platform.whl"`

func TestInstallWithNpm(t *testing.T) {
	in, said := testInstaller(t)
	pkg := tarball(t, member{name: "package/other", data: []byte("x")}, member{name: "package/bin/lib.so", data: library})
	in.integrity = integrity(pkg)
	command(t, "npm", npmScript, pkg)
	path, err := in.install(t.Context())
	installed(t, path, err)
	if want := filepath.Join(in.cache, "ort", "1.30.0-"+in.pins[0].sha256[:12]); filepath.Dir(path) != want {
		t.Errorf("installed in %s, want %s", filepath.Dir(path), want)
	}

	// Again: nothing is fetched.
	t.Setenv("PATH", t.TempDir())
	again, err := in.install(t.Context())
	installed(t, again, err)
	if again != path || !strings.Contains((*said)[len(*said)-1], "there already") {
		t.Errorf("second time %s, said %q", again, *said)
	}

	// Damaged: fetched again.
	if err := os.WriteFile(path, library[1:], 0o600); err != nil {
		t.Fatal(err)
	}
	serve(t, http.StatusOK, pkg)
	path, err = in.install(t.Context())
	installed(t, path, err)
}

func TestInstallFromRegistry(t *testing.T) {
	in, _ := testInstaller(t)
	// What follows the library is never read: here it is no archive at all.
	pkg := tarball(t, member{name: "package/bin/lib.so", data: library}, member{name: "package/rest", data: make([]byte, 1<<20)})
	serve(t, http.StatusOK, append(pkg[:len(pkg)-40], "garbage"...))
	path, err := in.install(t.Context())
	installed(t, path, err)
}

func TestInstallWithPip(t *testing.T) {
	for _, name := range []string{"pip3", "pip", "python3"} {
		in, said := testInstaller(t)
		requests := serve(t, http.StatusForbidden, nil)
		command(t, name, pipScript, wheel(t, member{name: "onnxruntime/capi/lib.so", data: library}))
		path, err := in.install(t.Context())
		installed(t, path, err)
		if *requests != 1 {
			t.Errorf("the registry was asked %d times before %s, want once; %q", *requests, name, *said)
		}
	}
}

func TestInstallRefuses(t *testing.T) {
	other := bytes.Clone(library)
	other[100]++
	good := tarball(t, member{name: "package/bin/lib.so", data: library})
	for name, c := range map[string]struct {
		pkg  []byte
		sri  string // of the npm package, if it is not right
		says string
	}{
		"one byte differs":      {tarball(t, member{name: "package/bin/lib.so", data: other}), "", "SHA-256"},
		"too short":             {tarball(t, member{name: "package/bin/lib.so", data: library[1:]}), "", "bytes"},
		"too long":              {tarball(t, member{name: "package/bin/lib.so", data: append(other, 1)}), "", "bytes"},
		"a link":                {tarball(t, member{name: "package/bin/lib.so", data: []byte("/etc/passwd"), link: true}), "", "want a file"},
		"elsewhere":             {tarball(t, member{name: "../../package/bin/lib.so", data: library}), "", "no package/bin/lib.so"},
		"cut":                   {good[:len(good)/2], "", "unexpected EOF"},
		"no archive":            {[]byte("<html>log in first</html>"), "", "gzip"},
		"nothing":               {nil, "", "EOF"},
		"another package's sri": {good, integrity(other), "integrity"},
	} {
		t.Run(name, func(t *testing.T) {
			in, _ := testInstaller(t)
			in.integrity = c.sri
			if c.sri == "" {
				in.integrity = integrity(c.pkg)
				serve(t, http.StatusOK, c.pkg)
			}
			command(t, "npm", npmScript, c.pkg)
			command(t, "pip", pipScript, wheel(t, member{name: "onnxruntime/capi/lib.so", data: other}))
			_, err := in.install(t.Context())
			if !errors.Is(err, assay.ErrUnavailable) || !strings.Contains(fmt.Sprint(err), c.says) {
				t.Errorf("error %v, want one that wraps %v and says %q", err, assay.ErrUnavailable, c.says)
			}
			for _, source := range []string{"npm pack: ", "npm registry: ", "pip download: ", EnvLib} {
				if !strings.Contains(fmt.Sprint(err), source) {
					t.Errorf("the error does not mention %q: %v", source, err)
				}
			}
			empty(t, in.cache)
		})
	}
}

func TestInstallWithoutAnything(t *testing.T) {
	in, said := testInstaller(t)
	serve(t, http.StatusNotFound, nil)
	_, err := in.install(t.Context())
	for _, s := range []string{"npm is not on the PATH", "404 Not Found", "neither pip nor python"} {
		if !errors.Is(err, assay.ErrUnavailable) || !strings.Contains(fmt.Sprint(err), s) {
			t.Errorf("error %v, want one that says %q", err, s)
		}
	}
	if len(*said) != 6 { // each source is announced, and its failure told
		t.Errorf("said %q", *said)
	}
	in.pins = nil
	if _, err := in.install(t.Context()); !errors.Is(err, assay.ErrUnavailable) {
		t.Errorf("a platform without builds: %v", err)
	}
}

func TestInstallTellsWhatACommandSaid(t *testing.T) {
	in, _ := testInstaller(t)
	command(t, "npm", `for i in 1 2 3 4 5 6 7 8 9 10; do echo "npm error line $i of a long and winding complaint about a proxy" >&2; done; exit 7`, nil)
	_, err := in.install(t.Context())
	if s := fmt.Sprint(err); !strings.Contains(s, "exit status 7") || !strings.Contains(s, "line 10 of") || strings.Contains(s, "line 1 of") {
		t.Errorf("error %v", err)
	}
}

func TestInstallCancelled(t *testing.T) {
	in, _ := testInstaller(t)
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pkg := tarball(t, member{name: "package/bin/lib.so", data: library})
		w.Write(pkg[:100])
		w.(http.Flusher).Flush()
		cancel()
		<-release
	}))
	defer srv.Close()
	defer close(release)
	t.Setenv("npm_config_registry", srv.URL)
	if _, err := in.install(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	empty(t, in.cache)
}

func TestInstallTwiceAtOnce(t *testing.T) {
	in, _ := testInstaller(t)
	in.log = func(string) {}
	pkg := tarball(t, member{name: "package/bin/lib.so", data: library})
	in.integrity = integrity(pkg)
	command(t, "npm", npmScript, pkg)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if _, err := in.install(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	installed(t, in.pins[0].path(in.cache), nil)
}

// FuzzPackages checks that no package, whatever its bytes, installs anything but
// the pinned library.
func FuzzPackages(f *testing.F) {
	lib := []byte("the library")
	f.Add(tarball(f, member{name: "lib", data: lib}), false)
	f.Add(tarball(f, member{name: "x", data: []byte("y")}, member{name: "lib", data: []byte("the wrong 1")}), false)
	f.Add(wheel(f, member{name: "lib", data: lib}), true)
	f.Add([]byte("PK\x03\x04"), true)
	sum := sha256.Sum256(lib)
	p := pin{member: "lib", size: int64(len(lib)), sha256: hex.EncodeToString(sum[:])}
	f.Fuzz(func(t *testing.T, pkg []byte, zipped bool) {
		var got bytes.Buffer
		save := func(r io.Reader) error { got.Reset(); return p.check(&got, r) }
		var err error
		if zipped {
			file := filepath.Join(t.TempDir(), "w.whl")
			if err := os.WriteFile(file, pkg, 0o600); err != nil {
				t.Fatal(err)
			}
			err = unzip(file, p, save)
		} else {
			err = untar(bytes.NewReader(pkg), p, save)
		}
		if err == nil && !bytes.Equal(got.Bytes(), lib) {
			t.Fatalf("took %q for the library", got.Bytes())
		}
		if got.Len() > len(lib)+1 {
			t.Fatalf("wrote %d bytes of a library of %d", got.Len(), len(lib))
		}
	})
}

// TestInstallReally fetches the real library with whatever this machine has, and
// loads it.
func TestInstallReally(t *testing.T) {
	if !slices.Contains(strings.Split(os.Getenv("ASSAY_TEST_REQUIRE"), ","), "network") {
		t.Skip("needs a package registry: set ASSAY_TEST_REQUIRE=network")
	}
	cache := t.TempDir()
	path, err := Install(t.Context(), InstallOptions{CacheDir: cache, Log: func(s string) { t.Log(s) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(EnvLib, "")
	lib, err := Find(t.Context(), FindOptions{CacheDir: cache})
	if err != nil || lib.Path != path || lib.From != "cache" {
		t.Errorf("found %+v, %v; want %s", lib, err, path)
	}
	rt, err := Open(lib)
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Close()
	if rt.Version() != Version {
		t.Errorf("version %s, want %s", rt.Version(), Version)
	}

	// Each build by itself: with pip, then over HTTPS without any command.
	for _, p := range slices.Backward(pinned(runtime.GOOS, runtime.GOARCH)) {
		if p.archive == "npm" {
			registry, err := exec.Command("npm", "config", "get", "registry").Output()
			if err != nil {
				t.Fatalf("npm config get registry: %v", err)
			}
			t.Setenv("npm_config_registry", strings.TrimSpace(string(registry)))
			t.Setenv("PATH", t.TempDir())
		}
		in := installer{cache: t.TempDir(), log: func(s string) { t.Log(s) }, pins: []pin{p}}
		if _, err := in.install(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
