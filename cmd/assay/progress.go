package main

import (
	"io"
	"os"
	"sync/atomic"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// A progress shows a bar on standard error while work is long and a person
// watches. The nil progress shows nothing.
type progress struct {
	bars *mpb.Progress
	bar  *mpb.Bar
	tty  bool // standard output is the same terminal
	word atomic.Pointer[string]
}

// newProgress starts a bar of total steps, or nothing if standard error is no
// terminal.
func newProgress(w world, what string, total int) *progress {
	f, ok := w.err.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || total < 2 {
		return nil
	}
	out, ok := w.out.(*os.File)
	p := &progress{bars: mpb.New(mpb.WithOutput(f), mpb.WithWidth(40)), tty: ok && term.IsTerminal(int(out.Fd()))}
	p.bar = p.bars.AddBar(int64(total),
		mpb.PrependDecorators(decor.Name(what+" "), decor.CountersNoUnit("%d/%d")),
		mpb.AppendDecorators(decor.AverageSpeed(0, "%.1f/s "), decor.AverageETA(decor.ET_STYLE_GO), decor.Any(func(decor.Statistics) string {
			if word := p.word.Load(); word != nil {
				return " " + *word
			}
			return ""
		})),
		mpb.BarRemoveOnComplete())
	return p
}

func (p *progress) step() {
	if p != nil {
		p.bar.Increment()
	}
}

// say shows a word behind the bar.
func (p *progress) say(word string) {
	if p != nil {
		p.word.Store(&word)
	}
}

// set moves the bar to an absolute position.
func (p *progress) set(done int64) {
	if p != nil {
		p.bar.SetCurrent(done)
	}
}

// total corrects how many steps there are.
func (p *progress) total(n int64) {
	if p != nil {
		p.bar.SetTotal(n, false)
	}
}

// over returns where lines go that must not tear the bar.
func (p *progress) over(out io.Writer) io.Writer {
	if p != nil && p.tty {
		return p.bars
	}
	return out
}

func (p *progress) stop() {
	if p != nil && p.bars != nil {
		p.bar.Abort(true)
		p.bars.Wait()
		p.bars = nil
	}
}
