package judge

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/pixel"
)

const (
	generateTime  = 10 * time.Minute
	generateBytes = 64 << 20
)

// A CommandGenerator runs a program for every picture.
type CommandGenerator struct {
	// Args are the program and its arguments. {caption}, {seed} and {out} are
	// replaced wherever they stand in one; no shell reads them. The program must
	// write the picture to {out}.
	Args    []string
	Timeout time.Duration // of one picture; 0 means 10 minutes
	Bytes   int64         // of one picture; 0 means 64 MiB
}

// Generate runs the program and returns the picture that it wrote. A program
// that fails, takes too long or writes no picture is an error with the end of
// what it said.
func (g CommandGenerator) Generate(ctx context.Context, caption string, seed int64) ([]byte, error) {
	if len(g.Args) == 0 || !slices.ContainsFunc(g.Args, func(s string) bool { return strings.Contains(s, "{out}") }) {
		return nil, fmt.Errorf("generator command %q: name a program, and {out} where it is to write the picture: %w", strings.Join(g.Args, " "), assay.ErrInvalid)
	}
	dir, err := os.MkdirTemp("", "assay-generate-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "picture.png")
	// One pass over each argument: what a caption says is not replaced again.
	fill := strings.NewReplacer("{caption}", caption, "{seed}", strconv.FormatInt(seed, 10), "{out}", out)
	args := make([]string, len(g.Args))
	for i, a := range g.Args {
		args[i] = fill.Replace(a)
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(g.Timeout, generateTime))
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.WaitDelay = 2 * time.Second // children that keep the pipes open are not waited for
	said := &tail{most: 400}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = errors.Join(err, context.Cause(ctx))
		}
		return nil, fmt.Errorf("generator %s: %w: %s", args[0], err, said)
	}
	f, err := os.Open(out)
	if err != nil {
		return nil, fmt.Errorf("generator %s wrote nothing to {out}: %w: %s", args[0], err, said)
	}
	defer f.Close()
	return readPicture(f, g.Bytes, "generator "+args[0])
}

// A tail keeps the end of what is written to it.
type tail struct {
	most int
	buf  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if n := len(t.buf) - t.most; n > 0 {
		t.buf = append(t.buf[:0], t.buf[n:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(string(t.buf), "�")), " ")
}

// readPicture reads a picture of at most most bytes and looks whether it is one.
func readPicture(r io.Reader, most int64, from string) ([]byte, error) {
	most = cmp.Or(most, generateBytes)
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("%s: more than %d bytes: %w", from, most, assay.ErrInvalid)
	}
	return data, checkPicture(data, from)
}

func checkPicture(data []byte, from string) error {
	if _, err := pixel.Sniff(data, pixel.Limits{}); err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	return nil
}

// An HTTPGenerator posts {"caption": "...", "seed": 1} for every picture.
type HTTPGenerator struct {
	URL     string
	Client  *http.Client  // nil means http.DefaultClient
	Header  http.Header   // sent with every request, for instance a key; never shown
	Timeout time.Duration // of one picture; 0 means 10 minutes
	Bytes   int64         // of one picture; 0 means 64 MiB
}

// Generate posts the caption and returns the picture of the reply, which is
// either the picture itself or JSON, {"image": "..."}, with the picture in base64
// or as a data URL. Any other status than 200 is an error with the beginning of
// what the server said.
func (g HTTPGenerator) Generate(ctx context.Context, caption string, seed int64) ([]byte, error) {
	body, err := json.Marshal(map[string]any{"caption": caption, "seed": seed})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(g.Timeout, generateTime))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.URL, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("generator: %w: %w", err, assay.ErrInvalid)
	}
	if g.Header != nil {
		req.Header = g.Header.Clone()
	}
	req.Header.Set("Content-Type", "application/json")
	from := "generator " + req.URL.Scheme + "://" + req.URL.Host + req.URL.Path // a query may hold a key
	res, err := cmp.Or(g.Client, http.DefaultClient).Do(req)
	if err != nil {
		if u := new(url.Error); errors.As(err, &u) {
			err = u.Err // without the URL, whose query may hold a key
		}
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(res.Body, 2000)) // what can be read of it
		return nil, fmt.Errorf("%s: %s: %s", from, res.Status, excerpt(string(said)))
	}
	most := cmp.Or(g.Bytes, generateBytes)
	data, err := io.ReadAll(io.LimitReader(res.Body, most*4/3+1024))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	if t := bytes.TrimSpace(data); len(t) > 0 && t[0] == '{' {
		if data, err = imageOf(t); err != nil {
			return nil, fmt.Errorf("%s: %w", from, err)
		}
	}
	return readPicture(bytes.NewReader(data), most, from)
}

// imageOf reads {"image": base64}.
func imageOf(text []byte) ([]byte, error) {
	var in struct {
		Image string `json:"image"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, fmt.Errorf("reply %q: %w: %w", excerpt(string(text[:min(len(text), 400)])), err, assay.ErrInvalid)
	}
	s := in.Image
	if strings.HasPrefix(s, "data:") {
		_, s, _ = strings.Cut(s, ",")
	}
	if s == "" {
		return nil, fmt.Errorf(`reply without an "image": %w`, assay.ErrInvalid)
	}
	data, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("the reply's image is not base64: %w: %w", err, assay.ErrInvalid)
	}
	return data, nil
}
