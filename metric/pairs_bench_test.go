package metric

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/ort"
	"github.com/gen-emerge/assay/weights"
)

// narrowEngine runs graphs with so many threads each.
type narrowEngine struct {
	lpipsEngine
	threads int
}

func (e narrowEngine) Open(ctx context.Context, m *onnx.Model) (Runner, error) {
	return e.OpenSession(ctx, m, ort.SessionOptions{Threads: e.threads})
}

// BenchmarkPairs times eight pairs of 256×256 pixels, one after the other on all
// cores, and as many at once as there are cores. ASSAY_TEST_SYNTH names a folder
// with the models, made up or not.
// reference/speed_cnn.py times the authors' package.
func BenchmarkPairs(b *testing.B) {
	const batch, side = 8, 256
	models := Models(&weights.Cache{Dir: os.Getenv("ASSAY_TEST_SYNTH")})
	var pictures [2 * batch]*Picture
	for i := range pictures {
		pictures[i] = plain(side, side, uint32(i))
	}
	for _, name := range []string{"lpips-alex", "lpips-vgg", "dists"} {
		for _, callers := range []int{1, runtime.NumCPU()} {
			b.Run(fmt.Sprintf("%s/%d", name, callers), func(b *testing.B) {
				e := narrowEngine{openLPIPSEngine(b), max(1, runtime.NumCPU()/callers)}
				in, err := Open(b.Context(), name, models, e)
				if err != nil {
					b.Skip(err)
				}
				defer in.Close()
				next := make(chan int)
				var wait sync.WaitGroup
				for range callers {
					wait.Go(func() {
						for i := range next {
							if _, err := in.Distance(b.Context(), pictures[2*i], pictures[2*i+1]); err != nil {
								b.Error(err)
							}
						}
					})
				}
				next <- 0 // the graph is opened before the clock runs
				b.ResetTimer()
				for range b.N {
					for i := range batch {
						next <- i
					}
				}
				close(next)
				wait.Wait()
				b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "pairs/s")
			})
		}
	}
}
