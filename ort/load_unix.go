//go:build darwin || freebsd || linux || netbsd

package ort

import "github.com/ebitengine/purego"

// load opens a shared library.
func load(path string) (uintptr, error) {
	return purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
}

// lookup finds a function of an opened library.
func lookup(lib uintptr, symbol string) (uintptr, error) {
	return purego.Dlsym(lib, symbol)
}
