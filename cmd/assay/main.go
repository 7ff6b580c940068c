// Command assay measures generated images instead of making numbers up.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// Exit statuses, as documented for scripts.
const (
	exitDone    = 0
	exitFailed  = 1
	exitUsage   = 2
	exitPartial = 3 // done, but something was refused or not measured
)

// softMemory is where the garbage collector begins to work harder instead of
// letting the heap double: with ONNX Runtime beside it the process then stays
// under 500 MB until the facts of a series alone need more. GOMEMLIMIT wins.
const softMemory = 320 << 20

// A world is all of the outside that a command may touch.
type world struct {
	getenv   func(string) string
	in       io.Reader
	out, err io.Writer
}

// A statusError ends the program with its own exit status. It may have no
// message: then everything was said already.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *statusError) Unwrap() error { return e.err }

// partial ends the program with the status that says: done, but not all of it.
var errPartial = &statusError{status: exitPartial}

func usage(format string, args ...any) error {
	return &statusError{exitUsage, fmt.Errorf(format, args...)}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softMemory)
	}
	os.Exit(run(ctx, os.Args[1:], world{os.Getenv, os.Stdin, os.Stdout, os.Stderr}))
}

// run runs one command line and returns its exit status.
func run(ctx context.Context, args []string, w world) int {
	root := newRoot(w)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	var status *statusError
	if errors.As(err, &status) {
		if status.err != nil {
			fmt.Fprintln(w.err, "assay:", err)
		}
		return status.status
	}
	if errors.Is(err, context.Canceled) {
		fmt.Fprintln(w.err, "assay: stopped; what was acknowledged is kept")
		return exitFailed
	}
	fmt.Fprintln(w.err, "assay:", err)
	return exitFailed
}
