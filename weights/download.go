package weights

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gen-emerge/assay"
)

// get makes one request for what the part lacks. The error is nil when the part
// is complete.
func (d *download) get(ctx context.Context, source string) error {
	part, err := os.OpenFile(d.part, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer part.Close()
	have, err := d.resumeAt(part, source)
	if err != nil {
		return err
	}
	if d.Size != 0 && have == d.Size {
		d.resumed = true
		return part.Sync()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := fmt.Errorf("nothing was received for %v", d.opt.Stall)
	watch := time.AfterFunc(d.opt.Stall, func() { cancel(stalled) })
	defer watch.Stop()

	resp, err := d.request(ctx, source, have)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	start, total, err := d.answer(resp, source, part, have)
	if err != nil {
		return err
	}
	d.resumed = start > 0
	switch {
	case d.resumed:
		d.opt.Note(fmt.Sprintf("%s: resuming after %d bytes", d.Name, have))
	case have > 0:
		d.opt.Note(fmt.Sprintf("%s: %s does not resume; starting over", d.Name, source))
	}
	d.remember(source, resp)
	if err := part.Truncate(start); err != nil {
		return err
	}
	if _, err := part.Seek(start, io.SeekStart); err != nil {
		return err
	}
	done, err := d.copy(part, &watchedReader{resp.Body, watch, d.opt.Stall}, start, total)
	if err == nil || errors.As(err, new(*diskError)) {
		return err
	}
	return &brokenError{fmt.Errorf("GET %s: after %d of %d bytes (kept for the next attempt): %w: %w",
		source, done, total, because(ctx, err), assay.ErrUnavailable)}
}

// request asks for the file from byte have on.
func (d *download) request(ctx context.Context, source string, have int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, source, nil)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w: %w", source, err, assay.ErrInvalid)
	}
	// A compressed answer would make ranges and sizes speak of other bytes.
	req.Header.Set("Accept-Encoding", "identity")
	if have > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
		if tag := d.tag(source); tag != "" {
			req.Header.Set("If-Range", tag)
		}
	}
	resp, err := d.opt.Client.Do(req)
	if err == nil {
		return resp, nil
	}
	err = fmt.Errorf("GET %s: %w: %w", source, because(ctx, err), assay.ErrUnavailable)
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return nil, err // asking again would not make the name known
	}
	return nil, &brokenError{&unreachableError{err}}
}

// because prefers the reason a context was cancelled to what the transport made
// of it.
func because(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// resumeAt returns how many bytes of the part can be kept.
func (d *download) resumeAt(part *os.File, source string) (int64, error) {
	info, err := part.Stat()
	if err != nil {
		return 0, err
	}
	have := info.Size()
	// Without a published digest only the server's own validator can tell
	// whether the rest belongs to what is here.
	if (d.Size != 0 && have > d.Size) || (!d.published() && d.tag(source) == "") {
		return 0, part.Truncate(0)
	}
	return have, nil
}

// answer judges the response's status and headers. It returns where in the file
// the body starts and how long the whole file is; 0 if the server does not say. A
// part that does not fit what is there is emptied.
func (d *download) answer(resp *http.Response, source string, part *os.File, have int64) (start, total int64, err error) {
	status := fmt.Sprintf("GET %s: status %s", source, resp.Status)
	switch code := resp.StatusCode; {
	case code == http.StatusOK:
		total = max(resp.ContentLength, 0)
	case code == http.StatusPartialContent && have > 0:
		if start, total, err = contentRange(resp.Header.Get("Content-Range")); err != nil || start != have {
			part.Truncate(0)
			return 0, 0, &brokenError{fmt.Errorf("%s: Content-Range %q, want one from %d: %w",
				status, resp.Header.Get("Content-Range"), have, assay.ErrUnavailable)}
		}
	case code == http.StatusRequestedRangeNotSatisfiable && have > 0:
		part.Truncate(0) // what is here is longer than what is there
		return 0, 0, &brokenError{fmt.Errorf("%s: the part of %d bytes does not fit the file; it was removed: %w",
			status, have, assay.ErrUnavailable)}
	case code == http.StatusNotFound || code == http.StatusGone || code == http.StatusForbidden:
		return 0, 0, &absentError{fmt.Errorf("%s: %w", status, assay.ErrUnavailable)}
	case code == http.StatusTooManyRequests || code == http.StatusRequestTimeout || code >= 500:
		return 0, 0, &brokenError{fmt.Errorf("%s: %w", status, assay.ErrUnavailable)}
	default:
		return 0, 0, fmt.Errorf("%s: %w", status, assay.ErrUnavailable)
	}
	if d.Size != 0 && total != 0 && total != d.Size {
		return 0, 0, fmt.Errorf("GET %s: the server has %d bytes, the manifest says %d: another file, or a page that asks for something: %w",
			source, total, d.Size, assay.ErrConflict)
	}
	if total == 0 {
		total = d.Size
	}
	return start, total, nil
}

// contentRange parses "bytes FIRST-LAST/TOTAL"; TOTAL may be "*", which gives 0.
func contentRange(header string) (first, total int64, err error) {
	text, ok := strings.CutPrefix(header, "bytes ")
	span, size, ok2 := strings.Cut(text, "/")
	from, _, ok3 := strings.Cut(span, "-")
	if !ok || !ok2 || !ok3 {
		return 0, 0, fmt.Errorf("malformed Content-Range %q", header)
	}
	if first, err = strconv.ParseInt(from, 10, 64); err != nil {
		return 0, 0, err
	}
	if size == "*" {
		return first, 0, nil
	}
	total, err = strconv.ParseInt(size, 10, 64)
	return first, total, err
}

// A diskError is a failure to keep what was received.
type diskError struct{ err error }

func (e *diskError) Error() string { return e.err.Error() }
func (e *diskError) Unwrap() error { return e.err }

// copy appends body to the part until the file of total bytes is complete (0: to
// the end of body), and makes it durable. It returns how many bytes are kept.
func (d *download) copy(part *os.File, body io.Reader, done, total int64) (int64, error) {
	w := d.opt.sink(part)
	buf := make([]byte, 128<<10)
	for {
		d.opt.Progress(d.Name, done, total)
		n, readErr := body.Read(buf)
		if total != 0 && done+int64(n) > total {
			return done, fmt.Errorf("more bytes than the %d of the file", total)
		}
		wrote, err := w.Write(buf[:n])
		done += int64(wrote)
		if err != nil {
			return done, d.diskFull(part, done, total, err)
		}
		switch {
		case errors.Is(readErr, io.EOF) && (total == 0 || done == total):
			d.opt.Progress(d.Name, done, done)
			if err := part.Sync(); err != nil {
				return done, d.diskFull(part, done, total, err)
			}
			return done, nil
		case errors.Is(readErr, io.EOF):
			readErr = io.ErrUnexpectedEOF
			fallthrough
		case readErr != nil:
			part.Sync() // the reading error says more than a second one would
			return done, readErr
		}
	}
}

// diskFull keeps what was written whole and says what to do.
func (d *download) diskFull(part *os.File, done, total int64, err error) error {
	part.Truncate(done) // a write that failed may have left a piece
	return &diskError{fmt.Errorf("writing %s: %w; %d of %d bytes are kept: free space and pull again",
		d.part, err, done, total)}
}

// A watchedReader restarts the stall timer whenever something arrives.
type watchedReader struct {
	r     io.Reader
	watch *time.Timer
	stall time.Duration
}

func (w *watchedReader) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if n > 0 {
		w.watch.Reset(w.stall)
	}
	return n, err
}

// The validator of a part lies beside it: a line with the address, a line with
// the strong ETag or else the Last-Modified date.
func (d *download) tagFile() string { return d.part + ".tag" }

// tag returns the validator of the part if it came from source.
func (d *download) tag(source string) string {
	data, err := os.ReadFile(d.tagFile())
	if err != nil {
		return ""
	}
	from, tag, _ := strings.Cut(strings.TrimSpace(string(data)), "\n")
	if from != source {
		return ""
	}
	return tag
}

// remember keeps the validator of what is being received. Losing it costs a
// download from the start.
func (d *download) remember(source string, resp *http.Response) {
	tag := resp.Header.Get("ETag")
	if tag == "" || strings.HasPrefix(tag, "W/") { // If-Range takes strong ones only
		tag = resp.Header.Get("Last-Modified")
	}
	if tag == "" {
		os.Remove(d.tagFile())
		return
	}
	_ = replaceFile(d.tagFile(), []byte(source+"\n"+tag+"\n"))
}

// discard removes the part and its validator.
func (d *download) discard() {
	os.Remove(d.part)
	os.Remove(d.tagFile())
}

// copyFromFolder completes the part from a mirror folder and returns the path it
// came from. A file is taken if its size and SHA-256 are right, whatever its name;
// where the manifest has no SHA-256, by name, and git's name of its contents if known.
func (d *download) copyFromFolder(ctx context.Context, mirror string) (string, error) {
	source, err := d.search(ctx, mirror)
	if err != nil {
		return "", fmt.Errorf("mirror %s: %w", mirror, err)
	}
	if source == "" {
		want := fmt.Sprintf("of %d bytes with SHA-256 %s", d.Size, d.SHA256)
		if d.SHA256 == "" {
			want = "named " + d.Name
		}
		if d.SHA256 == "" && d.GitBlob != "" {
			want += " with git blob " + d.GitBlob
		}
		return "", fmt.Errorf("mirror %s: no file in it is the one %s; put it there, or unset %s to use %s: %w",
			mirror, want, EnvMirror, d.URL, assay.ErrUnavailable)
	}
	from, err := os.Open(source)
	if err != nil {
		return "", err
	}
	defer from.Close()
	d.discard() // copying is as fast as finding out what is there
	part, err := os.Create(d.part)
	if err != nil {
		return "", err
	}
	defer part.Close()
	info, err := from.Stat()
	if err != nil {
		return "", err
	}
	_, err = d.copy(part, &cancellable{ctx, from}, 0, info.Size())
	return source, err
}

// search walks the mirror, nearest names first: MIRROR/SHA256, MIRROR/NAME, then
// everything.
func (d *download) search(ctx context.Context, mirror string) (string, error) {
	info, err := os.Stat(mirror)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && !info.IsDir()) {
		return "", fmt.Errorf("not a folder: %w", assay.ErrUnavailable)
	}
	if err != nil {
		return "", err
	}
	for _, name := range []string{d.SHA256, d.Name} {
		path := filepath.Join(mirror, name)
		if ok, err := d.is(ctx, path); name != "" && (ok || err != nil) {
			return path, err
		}
	}
	root, err := filepath.EvalSymlinks(mirror) // WalkDir would not follow a link
	if err != nil {
		return "", err
	}
	found := ""
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		ok := false
		if err == nil && !entry.IsDir() {
			ok, err = d.is(ctx, path)
		}
		if errors.Is(err, fs.ErrPermission) {
			d.opt.Note(fmt.Sprintf("mirror: %v; passed over", err))
			return nil
		}
		if ok {
			found = path
			return fs.SkipAll
		}
		return err
	})
	return found, err
}

// is reports whether the file at path is the one wanted.
func (d *download) is(ctx context.Context, path string) (bool, error) {
	info, err := os.Stat(path) // through links: mirrors are often made of them
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() || (d.Size != 0 && info.Size() != d.Size) {
		return false, nil
	}
	if d.SHA256 == "" {
		if filepath.Base(path) != d.Name || d.GitBlob == "" {
			return filepath.Base(path) == d.Name, nil
		}
		blob, err := gitBlob(ctx, path)
		return blob == d.GitBlob, err
	}
	sum, err := hashFile(ctx, path)
	return sum == d.SHA256, err
}

// cancellable stops reading when the context ends.
type cancellable struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancellable) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}
