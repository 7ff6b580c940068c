package web_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// required reports whether a missing need is a failure and not a reason to skip.
func required(need string) bool {
	return slices.Contains(strings.Split(os.Getenv("ASSAY_TEST_REQUIRE"), ","), need)
}

// chromium finds the browser, or skips.
func chromium(t *testing.T) string {
	t.Helper()
	names := []string{"chromium", "google-chrome", "chromium-browser"}
	if own := os.Getenv("ASSAY_CHROMIUM"); own != "" {
		names = []string{own}
	}
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	why := fmt.Sprintf("no Chromium (looked for %s); set ASSAY_CHROMIUM to its path", strings.Join(names, ", "))
	if required("chromium") {
		t.Fatal(why)
	}
	t.Skip(why)
	return ""
}

// A screen is what a page is looked at on.
type screen struct {
	name          string
	width, height int64
	phone, dark   bool
}

var (
	desktop = screen{name: "desktop-light", width: 1280, height: 900}
	phone   = screen{name: "phone-light", width: 390, height: 844, phone: true}
)

// A tab is a browser's page on a site, and what went wrong in it.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string

	mu       sync.Mutex
	troubles []string
}

// newTab starts a browser. What the page complains about, and every request to
// another host, fails the test.
func newTab(t *testing.T, server *httptest.Server, on screen) *tab {
	t.Helper()
	opts := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(chromium(t)), chromedp.UserDataDir(t.TempDir()), chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Headless, chromedp.DisableGPU, chromedp.WindowSize(int(on.width), int(on.height)),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("hide-scrollbars", true), chromedp.Flag("disable-dev-shm-usage", true),
	}
	if os.Geteuid() == 0 {
		opts = append(opts, chromedp.NoSandbox)
	}
	ctx, cancel := chromedp.NewContext(t.Context(), chromedp.WithAllocatorOptions(opts...))
	p := &tab{t: t, ctx: ctx, base: server.URL}
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // the browser's own end is not what is tested
		cancel()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, trouble := range p.troubles {
			t.Errorf("in the browser: %s", trouble)
		}
	})
	if err := chromedp.Listen(ctx, p.listen); err != nil {
		t.Fatal(err)
	}
	scheme := "light"
	if on.dark {
		scheme = "dark"
	}
	do(p, network.Enable, network.EnableParams{})
	do(p, log.Enable, cdp.Empty{})
	do(p, runtime.Enable, cdp.Empty{})
	do(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: on.width, Height: on.height, DeviceScaleFactor: 1, Mobile: on.phone})
	do(p, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: on.phone, MaxTouchPoints: 2})
	do(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	return p
}

// listen notes what a page should not do.
func (p *tab) listen(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.trouble("exception: %s", e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		p.trouble("console: %s %v", e.Type, e.Args)
	case *log.EventEntryAdded:
		p.trouble("log: %s (%s)", e.Entry.Text, e.Entry.URL)
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, p.base+"/") {
			p.trouble("request to another host: %s", e.Request.URL)
		}
	}
}

// do sends a command of the browser's protocol.
func do[P, R any](p *tab, cmd cdp.Command[P, R], params P) R {
	p.t.Helper()
	r, err := chromedp.Call(p.ctx, cmd, params)
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

func (p *tab) trouble(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.troubles = append(p.troubles, fmt.Sprintf(format, args...))
}

// forgive forgets what the browser complained about so far, if all of it
// contains the text: the test made it happen on purpose.
func (p *tab) forgive(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.troubles = slices.DeleteFunc(p.troubles, func(s string) bool { return strings.Contains(s, text) })
}

func (p *tab) run(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 30*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

func (p *tab) open(path string) {
	p.t.Helper()
	p.run(chromedp.Navigate(p.base + path))
}

// value runs an action and returns what it yields.
func value[T any](p *tab, a chromedp.Action[T]) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 30*time.Second)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		p.t.Fatal(err)
	}
	return v
}

// eval returns the value of a JavaScript expression.
func eval[T any](p *tab, expression string) T {
	p.t.Helper()
	return value(p, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// until waits for a JavaScript condition. A page that is just being left makes
// the question fail, and it is asked again.
func (p *tab) until(condition string) {
	p.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		ok, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool]("Boolean("+condition+")"))
		if ok && err == nil {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("never true: %s (%v); the page says %q", condition, err, eval[string](p, "document.body.innerText"))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// shoot writes a screenshot if ASSAY_TEST_SCREENSHOTS names a folder.
func (p *tab) shoot(name string, full bool) {
	p.t.Helper()
	dir := os.Getenv("ASSAY_TEST_SCREENSHOTS")
	if dir == "" {
		return
	}
	// Lazy pictures are loaded when they come near the window.
	eval[int](p, `Promise.all([...document.images].map(i => { i.loading = "eager"; return i.decode().catch(() => 0) })).then(() => 0)`)
	shot := chromedp.CaptureScreenshot()
	if full {
		shot = chromedp.FullScreenshot(100)
	}
	data := value(p, shot)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), data, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func (p *tab) withoutScripts() {
	do(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
}
