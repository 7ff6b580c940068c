package ort

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/gen-emerge/assay"
)

// EnvLib is the environment variable that names the library's file.
const EnvLib = "ASSAY_ORT_LIB"

// remedy tells a person what to do where the library is missing or will not load.
const remedy = "run 'assay runtime install', or set " + EnvLib + " to the file of an ONNX Runtime library"

// A Library is a file that holds ONNX Runtime.
type Library struct {
	Path string // absolute, or a bare name that the system's loader knows
	From string // how it was found, for people: "cache", "ASSAY_ORT_LIB"
}

// FindOptions adjust [Find]. The zero FindOptions are a good choice.
type FindOptions struct {
	Path     string // the library's file; "" means look for it
	CacheDir string // assay's cache; "" means "assay" in the user's cache folder
}

// Find looks for the library: at opt.Path; where ASSAY_ORT_LIB points; beside
// the program; in the cache, where [Install] puts it; and where the system keeps
// libraries. A path or variable that is given must be right: nothing else is then
// tried. The error wraps [assay.ErrUnavailable], and says where it was looked for
// and how to get it.
func Find(ctx context.Context, opt FindOptions) (Library, error) {
	if opt.Path != "" {
		return given(opt.Path, "the path given")
	}
	if path := os.Getenv(EnvLib); path != "" {
		return given(path, EnvLib)
	}
	var folders []string
	for _, c := range candidates(opt.CacheDir) {
		if err := ctx.Err(); err != nil {
			return Library{}, err
		}
		if c.path == filepath.Base(c.path) { // a bare name: only the loader knows
			if _, err := load(c.path); err == nil {
				return Library{Path: c.path, From: c.from}, nil
			}
			continue
		}
		if isFile(c.path) {
			return Library{Path: c.path, From: c.from}, nil
		}
		if dir := filepath.Dir(c.path); !slices.Contains(folders, dir) {
			folders = append(folders, dir)
		}
	}
	return Library{}, fmt.Errorf("ONNX Runtime is neither where the system looks for libraries nor in %s: %w; %s",
		strings.Join(folders, ", "), assay.ErrUnavailable, remedy)
}

// given checks a path that somebody chose.
func given(path, from string) (Library, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return Library{}, fmt.Errorf("%s: %w", from, err)
	}
	if !isFile(abs) {
		return Library{}, fmt.Errorf("ONNX Runtime: %s says %s, which is not a file: %w; %s", from, path, assay.ErrUnavailable, remedy)
	}
	return Library{Path: abs, From: from}, nil
}

// A candidate is a place where the library may be.
type candidate struct{ path, from string }

// candidates lists the places in the order of preference: the pinned build
// before whatever the system has.
func candidates(cache string) []candidate {
	var list []candidate
	if exe, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(exe); err == nil {
			exe = real
		}
		for _, name := range libraryNames(runtime.GOOS) {
			list = append(list, candidate{filepath.Join(filepath.Dir(exe), name), "beside the program"})
		}
	}
	if dir, err := cacheDir(cache); err == nil {
		for _, p := range pinned(runtime.GOOS, runtime.GOARCH) {
			list = append(list, candidate{p.path(dir), "cache"})
		}
	}
	for _, dir := range systemDirs(runtime.GOOS, runtime.GOARCH) {
		for _, name := range libraryNames(runtime.GOOS) {
			list = append(list, candidate{filepath.Join(dir, name), "system"})
		}
	}
	if runtime.GOOS != "windows" { // whose own copy in System32 is an old one
		list = append(list, candidate{libraryNames(runtime.GOOS)[0], "the system's loader"})
	}
	return list
}

// libraryNames lists what the library's file is called, the most exact first.
func libraryNames(goos string) []string {
	switch goos {
	case "windows":
		return []string{"onnxruntime.dll"}
	case "darwin":
		return []string{"libonnxruntime.1.dylib", "libonnxruntime." + Version + ".dylib", "libonnxruntime.dylib"}
	}
	return []string{"libonnxruntime.so.1", "libonnxruntime.so." + Version, "libonnxruntime.so"}
}

// systemDirs lists the folders in which packages put libraries.
func systemDirs(goos, goarch string) []string {
	switch goos {
	case "windows":
		return nil
	case "darwin":
		return []string{"/opt/homebrew/lib", "/usr/local/lib"}
	}
	dirs := []string{"/usr/local/lib"}
	switch goarch {
	case "amd64":
		dirs = append(dirs, "/usr/lib/x86_64-linux-gnu")
	case "arm64":
		dirs = append(dirs, "/usr/lib/aarch64-linux-gnu")
	}
	return append(dirs, "/usr/lib64", "/usr/lib", "/home/linuxbrew/.linuxbrew/lib")
}

// cacheDir returns assay's cache folder.
func cacheDir(given string) (string, error) {
	if given != "" {
		return filepath.Abs(given)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder: %w", err)
	}
	return filepath.Join(dir, "assay"), nil
}

// isFile reports whether path is a regular file, or a link to one.
func isFile(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}
