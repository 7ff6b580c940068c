package vlm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gen-emerge/assay/store"
)

// poster is the smallest client: the question's text in a POST, with its key.
type poster struct {
	url string
	hc  *http.Client
}

func newPoster(url string, connections int) *poster {
	return &poster{url, &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}}
}

func (p *poster) Ask(ctx context.Context, r Request) (Reply, error) {
	req, err := http.NewRequestWithContext(ctx, "POST", p.url, strings.NewReader(r.Parts[0].Text))
	if err != nil {
		return Reply{}, err
	}
	req.Header.Set("Idempotency-Key", Key(someone, r).String())
	resp, err := p.hc.Do(req)
	if err != nil {
		return Reply{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return Reply{}, err
	}
	if resp.StatusCode != 200 {
		return Reply{}, readError(resp.StatusCode, resp.Header, body)
	}
	var reply Reply
	err = json.Unmarshal(body, &reply)
	return reply, err
}

// A till answers after a delay and counts what it is paid for, by key.
type till struct {
	delay   time.Duration
	honours bool // whether a key that comes again is paid for once

	mu   sync.Mutex
	paid map[string]int
	came chan struct{} // a request has come
}

func (s *till) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	text, _ := io.ReadAll(req.Body)
	key := req.Header.Get("Idempotency-Key")
	s.mu.Lock()
	if s.paid[key] == 0 || !s.honours {
		s.paid[key]++
	}
	s.mu.Unlock()
	select {
	case s.came <- struct{}{}:
	default:
	}
	time.Sleep(s.delay)
	json.NewEncoder(w).Encode(Reply{Text: "echo " + string(text), Finish: "stop", Usage: Usage{In: 3, Out: 1}})
}

const killConcurrency = 8

// TestCallerChild is the process that is killed: it asks the questions 0 to n
// of the workspace. Without its variable it is not one, and does nothing.
func TestCallerChild(t *testing.T) {
	job := strings.Fields(os.Getenv("ASSAY_VLM_CHILD")) // url, n, folder
	if len(job) == 0 {
		return
	}
	n, err := strconv.Atoi(job[1])
	must(t, err)
	db, err := store.Open(t.Context(), job[2], store.Options{})
	must(t, err)
	defer db.Close()
	c := NewCaller(someone, newPoster(job[0], killConcurrency), CallerOptions{Ledger: db, Concurrency: killConcurrency})
	defer c.Close()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			got, err := c.Ask(t.Context(), question(i))
			if err != nil {
				t.Error(err)
			}
			same(t, "reply", got.Text, echo(question(i)).Text)
		})
	}
	wg.Wait()
}

func startChild(t *testing.T, url string, n int, dir string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self, "-test.run=^TestCallerChild$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("ASSAY_VLM_CHILD=%s %d %s", url, n, dir))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	must(t, cmd.Start())
	return cmd, &out
}

// doubtful returns the calls in doubt in the workspace, and when each was begun
// last.
func doubtful(t *testing.T, dir string) map[string]time.Time {
	t.Helper()
	db, err := store.Open(t.Context(), dir, store.Options{})
	must(t, err)
	defer db.Close()
	open, err := db.CallsInDoubt(t.Context())
	must(t, err)
	begun := make(map[string]time.Time)
	for _, c := range open {
		begun[c.Key.String()] = c.Begun
	}
	return begun
}

// killed works through n calls in processes of which the first twelve are
// killed, and returns for each key how many sendings of it were lost, by what
// the ledger named in doubt after each kill.
func killed(t *testing.T, s *till, n int, seed uint64) (dir string, named map[string]int) {
	t.Helper()
	const kills = 12
	s.paid, s.came = make(map[string]int), make(chan struct{}, 1)
	srv := httptest.NewServer(s)
	defer srv.Close()
	dir = filepath.Join(t.TempDir(), "w")
	must(t, os.Mkdir(dir, 0o755))
	rng := rand.New(rand.NewPCG(seed, 2))
	named = make(map[string]int)
	before := make(map[string]time.Time)
	for range kills {
		cmd, out := startChild(t, srv.URL, n, dir)
		died := make(chan error, 1)
		go func() { died <- cmd.Wait() }()
		if rng.IntN(6) > 0 { // most die at work, some while they start
			for range rng.IntN(15) + 1 {
				select {
				case <-s.came:
				case err := <-died:
					t.Fatalf("the child ended by itself: %v\n%s", err, out)
				}
			}
		}
		time.Sleep(time.Duration(rng.IntN(20_000)) * time.Microsecond)
		must(t, cmd.Process.Kill())
		if err := <-died; err == nil {
			t.Fatalf("the child was done before it was killed\n%s", out)
		}
		fresh, open := 0, doubtful(t, dir)
		for key, begun := range open {
			if !begun.Equal(before[key]) {
				fresh++
				named[key]++
			}
		}
		if fresh > 2*killConcurrency {
			t.Errorf("a kill brought %d calls in doubt, with %d at work", fresh, 2*killConcurrency)
		}
		before = open
	}
	cmd, out := startChild(t, srv.URL, n, dir)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("the last process: %v\n%s", err, out)
	}
	same(t, "in doubt at the end", len(doubtful(t, dir)), 0)
	return dir, named
}

// A run that is killed again and again pays for each call once where the server
// knows a key again; where it does not, what is paid twice was named in doubt.
func TestKilled(t *testing.T) {
	for name, honours := range map[string]bool{"the server honours keys": true, "the server ignores keys": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const n = 400
			s := &till{delay: 15 * time.Millisecond, honours: honours}
			dir, named := killed(t, s, n, 1)
			db := workspace(t, dir)
			spent, err := db.Spent(t.Context(), time.Time{})
			must(t, err)
			same(t, "ends in the ledger", spent.Calls, int64(n))
			same(t, "calls the server knows", len(s.paid), n)
			twice := 0
			for i := range n {
				key := Key(someone, question(i))
				end, err := db.CallEnd(t.Context(), key)
				must(t, err)
				if end.Reply == nil {
					t.Errorf("call %d failed: %s", i, end.Error)
				}
				paid := s.paid[key.String()]
				twice += paid - 1
				if paid < 1 || honours && paid != 1 {
					t.Errorf("call %d was paid for %d times", i, paid)
				}
				if paid-1 > named[key.String()] {
					t.Errorf("call %d was paid for %d times and named in doubt %d times", i, paid, named[key.String()])
				}
			}
			doubts := 0
			for _, times := range named {
				doubts += times
			}
			if doubts == 0 {
				t.Error("nothing was in flight at any kill: too little to mean anything")
			}
			most := worstTokens(someone, question(n-1))
			if spent.DoubtTokens > int64(doubts)*(most.In+most.Out) || spent.DoubtTokens == 0 {
				t.Errorf("%d tokens at worst for %d lost sendings", spent.DoubtTokens, doubts)
			}
			t.Logf("%d sendings lost in 12 kills, %d calls paid twice", doubts, twice)
		})
	}
}
