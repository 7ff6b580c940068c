package backbone

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/gen-emerge/assay/nn"
	"github.com/gen-emerge/assay/onnx"
	"github.com/gen-emerge/assay/ort"
	"github.com/gen-emerge/assay/weights"
)

// noise is a checkpoint of numbers around 0 with the tower's shapes, quick to make.
func noise(list []weights.Piece) []weights.Piece {
	for i, p := range list {
		n := volume(p.Shape)
		list[i].Make = func() ([]byte, error) {
			raw, state := make([]byte, n), uint32(i+1)
			if p.DType == "float32" {
				raw = make([]byte, 4*n)
			}
			for k := range n {
				state = state*1664525 + 1013904223
				if p.DType == "int8" {
					raw[k] = byte(state >> 24)
					continue
				}
				// 15 random bits after the sign, about 2⁻⁵ in size.
				binary.LittleEndian.PutUint32(raw[4*k:], state>>31<<31|0x3d000000|state<<1>>17<<8)
			}
			return raw, nil
		}
	}
	return list
}

// BenchmarkTowers runs towers as an instrument does: one picture at a time, one
// thread, two callers. The weights are noise, which takes as long as any.
func BenchmarkTowers(b *testing.B) {
	for _, v := range []ViT{CLIPB32(), CLIPB16(), CLIPL14(), DINOv2B14()} {
		for _, p := range []nn.Precision{nn.Float32, nn.Int8} {
			l := OpenAI
			if v.PatchBias {
				l = Timm
			}
			b.Run(v.Name+"/"+string(p), func(b *testing.B) {
				list, err := v.Pieces(l, specs(v.Inventory(l)), nil, p)
				if err != nil {
					b.Fatal(err)
				}
				path := filepath.Join(b.TempDir(), "noise.safetensors")
				f, err := os.Create(path)
				if err != nil {
					b.Fatal(err)
				}
				if err := weights.WriteSafetensors(b.Context(), f, noise(list), nil); err != nil {
					b.Fatal(err)
				}
				f.Close()
				m, err := v.Graph(open(b, path, ""), p)
				if err != nil {
					b.Fatal(err)
				}
				s := openSession(b, m, ort.SessionOptions{Threads: 1})
				x := onnx.Tensor{Shape: []int{1, 3, v.Size, v.Size}, Data: make([]float32, 3*v.Size*v.Size)}
				for i := range x.Data {
					x.Data[i] = float32(i%17) / 8
				}
				if _, err := s.Run(b.Context(), x); err != nil {
					b.Fatal(err)
				}
				b.ResetTimer()
				var wg sync.WaitGroup
				for caller := range 2 {
					wg.Go(func() {
						for range (b.N + caller) / 2 {
							if _, err := s.Run(b.Context(), x); err != nil {
								b.Error(err)
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(v.Flops()*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
