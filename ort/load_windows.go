package ort

import "golang.org/x/sys/windows"

// load opens a shared library. Libraries that it needs are looked for in its own
// folder before the system's.
func load(path string) (uintptr, error) {
	h, err := windows.LoadLibraryEx(path, 0, windows.LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR|windows.LOAD_LIBRARY_SEARCH_DEFAULT_DIRS)
	return uintptr(h), err
}

// lookup finds a function of an opened library.
func lookup(lib uintptr, symbol string) (uintptr, error) {
	return windows.GetProcAddress(windows.Handle(lib), symbol)
}
