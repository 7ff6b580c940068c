package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gen-emerge/assay"
)

// TestMain lets the test binary be other processes, too: ASSAY_STORE_CHILD says
// which job to do in which workspace.
func TestMain(m *testing.M) {
	if job := strings.Fields(os.Getenv("ASSAY_STORE_CHILD")); len(job) > 0 {
		if err := child(job[0], job[1], job[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child(job, dir string, args []string) error {
	ctx := context.Background()
	db, err := Open(ctx, dir, Options{})
	if err != nil {
		return err
	}
	defer db.Close()
	switch job {
	case "enter": // from, to, step: enters these pictures and says so of each
		var n [3]int
		for i := range n {
			if n[i], err = strconv.Atoi(args[i]); err != nil {
				return err
			}
		}
		if err := db.CreateSeries(ctx, "s"); err != nil {
			return err
		}
		for i := n[0]; i != n[1]; i += n[2] {
			img, data := picture(i)
			e, known, err := db.Enter(ctx, img, data, assay.Entry{Series: "s"})
			if err != nil {
				return err
			}
			err = db.Record(ctx, Measurement{Series: "s", Seq: e.Seq, Readings: []assay.Reading{
				{Identity: niqe, Image: img.ID, Value: float64(i)}, {Identity: lpips, Image: img.ID, Value: float64(i)}}})
			if err != nil {
				return err
			}
			fmt.Println(i, e.Seq, known) // one write: all of the line, or none
		}
		return nil
	case "lock": // holds the lock until its input ends
		unlock, err := db.Lock(ctx, 0)
		if err != nil {
			return err
		}
		fmt.Println("locked")
		if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
			return err
		}
		unlock()
		return nil
	}
	return fmt.Errorf("no job %q", job)
}

// start runs the job in another process, whose lines come through the scanner.
func start(t *testing.T, job, dir string, args ...any) (*exec.Cmd, *bufio.Scanner, io.Closer) {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), strings.TrimSpace("ASSAY_STORE_CHILD="+job+" "+dir+" "+fmt.Sprintln(args...)))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	return cmd, bufio.NewScanner(out), in
}

type ack struct {
	picture int
	seq     int64
}

func parseAck(t *testing.T, line string) (a ack, known bool) {
	t.Helper()
	if _, err := fmt.Sscan(line, &a.picture, &a.seq, &known); err != nil {
		t.Fatalf("line %q of the child: %v", line, err)
	}
	return a, known
}

// verify fails t unless every acknowledged entry is there with its readings,
// in its place, once.
func verify(t *testing.T, dir string, acks []ack) {
	t.Helper()
	ctx := t.Context()
	db, err := Open(ctx, dir, Options{})
	must(t, err)
	defer db.Close()
	if errs := db.Check(ctx); errs != nil {
		t.Errorf("Check: %v", errs)
	}
	entries, err := db.Entries(ctx, "s", 0, 0)
	must(t, err)
	at := make(map[assay.Digest]int64)
	for _, e := range entries {
		if at[e.Image] != 0 {
			t.Errorf("image %s is at places %d and %d", e.Image, at[e.Image], e.Seq)
		}
		at[e.Image] = e.Seq
	}
	values := make(map[int64]float64)
	must(t, db.SeriesReadings(ctx, "s", "lpips-squeeze", func(seq int64, r assay.Reading) error {
		values[seq] = r.Value
		return nil
	}))
	for _, a := range acks {
		if got := at[pictureID(a.picture)]; got != a.seq {
			t.Errorf("picture %d was acknowledged at place %d, is at %d (0: lost)", a.picture, a.seq, got)
		}
		if values[a.seq] != float64(a.picture) {
			t.Errorf("picture %d was acknowledged with a reading, has %g", a.picture, values[a.seq])
		}
		if _, err := db.Blob(ctx, pictureID(a.picture)); err != nil {
			t.Errorf("picture %d: %v", a.picture, err)
		}
	}
}

func TestKill(t *testing.T) {
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 2))
	var acks []ack
	next := 1
	for range 20 {
		cmd, lines, _ := start(t, "enter", dir, next, 1_000_000, 1)
		// Some die while opening, most while writing.
		delay := time.Duration(rng.IntN(150)) * time.Millisecond
		if rng.IntN(5) > 0 && lines.Scan() {
			a, _ := parseAck(t, lines.Text())
			acks = append(acks, a)
		}
		killed := time.AfterFunc(delay, func() { cmd.Process.Kill() })
		for lines.Scan() {
			a, _ := parseAck(t, lines.Text())
			acks = append(acks, a)
		}
		killed.Stop()
		var died *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &died) || died.Exited() {
			t.Fatalf("the child was not killed: %v", err)
		}
		if len(acks) > 0 {
			verify(t, dir, acks)
			next = acks[len(acks)-1].picture // the last again: it is known, or was cut off
		}
	}
	if len(acks) < 20 {
		t.Errorf("only %d entries in 20 rounds: too few to mean anything", len(acks))
	}
	t.Logf("%d acknowledged, none lost", len(acks))
}

func TestTwoProcesses(t *testing.T) {
	dir := t.TempDir()
	const n = 60
	var mu sync.Mutex
	var acks []ack
	fresh := make(map[int]int)
	var wg sync.WaitGroup
	for _, r := range [][3]int{{1, n + 1, 1}, {n, 0, -1}} { // they meet in the middle
		cmd, lines, _ := start(t, "enter", dir, r[0], r[1], r[2])
		wg.Go(func() {
			for lines.Scan() {
				a, known := parseAck(t, lines.Text())
				mu.Lock()
				acks = append(acks, a)
				if !known {
					fresh[a.picture]++
				}
				mu.Unlock()
			}
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	verify(t, dir, acks)
	same(t, "acknowledged", len(acks), 2*n)
	for i := 1; i <= n; i++ {
		same(t, fmt.Sprint("times that picture ", i, " was new"), fresh[i], 1)
	}
}

// Many processes may open a new workspace at the same time.
func TestOpenTogether(t *testing.T) {
	for range 5 {
		dir := t.TempDir()
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				db, err := Open(t.Context(), dir, Options{BusyTimeout: 30 * time.Second})
				if err != nil {
					t.Error(err)
					return
				}
				if err := errors.Join(slices.Concat(db.Check(t.Context()), []error{db.Close()})...); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	db := openAt(t, dir, Options{})
	ctx := t.Context()
	hold := func() (*exec.Cmd, io.Closer) {
		t.Helper()
		cmd, lines, in := start(t, "lock", dir)
		if !lines.Scan() || lines.Text() != "locked" {
			t.Fatalf("the child said %q", lines.Text())
		}
		return cmd, in
	}

	cmd, in := hold()
	begun := time.Now()
	_, err := db.Lock(ctx, 0)
	is(t, "held, not waiting", err, assay.ErrUnavailable, "assay.lock", fmt.Sprint("process ", cmd.Process.Pid))
	if d := time.Since(begun); d > 5*time.Second {
		t.Errorf("waited %s, was told not to", d)
	}
	_, err = db.Lock(ctx, 50*time.Millisecond)
	is(t, "held, waiting", err, assay.ErrUnavailable, "50ms")
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err = db.Lock(short, time.Minute)
	is(t, "cancelled", err, context.DeadlineExceeded)
	time.AfterFunc(100*time.Millisecond, func() { in.Close() })
	unlock, err := db.Lock(ctx, time.Minute)
	must(t, err)
	must(t, cmd.Wait())

	_, err = db.Lock(ctx, 0)
	is(t, "held by ourselves", err, assay.ErrUnavailable, fmt.Sprintf("this process (%d)", os.Getpid()))
	unlock()

	cmd, _ = hold()
	must(t, cmd.Process.Kill())
	if err := cmd.Wait(); err == nil {
		t.Error("the child was not killed")
	}
	unlock, err = db.Lock(ctx, time.Minute)
	must(t, err)
	unlock()
}
