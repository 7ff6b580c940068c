package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/gen-emerge/assay"
)

// lockPoll is how often a waiting [DB.Lock] looks again: often enough that
// nobody notices, seldom enough that it costs nothing.
const lockPoll = 20 * time.Millisecond

// Lock takes the workspace's writer lock, waiting up to wait for another
// holder, in this process or another, to let go; with wait 0 it looks once.
// When it cannot have the lock the error wraps [assay.ErrUnavailable] and says
// which process holds it. unlock releases the lock; so does the end of the
// process, however it comes.
//
// The lock is on the file assay.lock. The holder's process number stands in
// assay.pid beside it, since some systems let nobody read a locked file.
//
// No method of DB needs the lock: rows are safe without it. It is for jobs
// that should not run twice at the same time.
func (db *DB) Lock(ctx context.Context, wait time.Duration) (unlock func(), err error) {
	path := filepath.Join(db.dir, "assay.lock")
	lock := flock.New(path, flock.SetPermissions(0o644))
	deadline := time.Now().Add(wait)
	for {
		held, err := lock.TryLock()
		if err != nil {
			return nil, explainFile(path, err)
		}
		if held {
			break
		}
		left := time.Until(deadline)
		if left <= 0 {
			return nil, fmt.Errorf("%s: %s holds the workspace; stop it or wait for it (waited %s): %w",
				path, db.holder(), wait, assay.ErrUnavailable)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s: waiting for %s: %w", path, db.holder(), context.Cause(ctx))
		case <-time.After(min(left, lockPoll)):
		}
	}
	pid := db.pidPath()
	if err := os.WriteFile(pid, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644); err != nil {
		return nil, errors.Join(explainFile(pid, err), lock.Unlock())
	}
	return func() {
		// Both failures are harmless: a stale number is only read while
		// somebody else holds the lock, who has overwritten it.
		os.Remove(pid)
		lock.Unlock()
	}, nil
}

func (db *DB) pidPath() string { return filepath.Join(db.dir, "assay.pid") }

// holder names the process that holds the lock, as far as it can be known.
func (db *DB) holder() string {
	text, err := os.ReadFile(db.pidPath())
	pid, bad := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || bad != nil {
		return "another process"
	}
	if pid == os.Getpid() {
		return fmt.Sprintf("this process (%d)", pid)
	}
	return fmt.Sprintf("process %d", pid)
}
