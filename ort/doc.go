// Package ort runs ONNX graphs with ONNX Runtime, bound at run time and without
// cgo.
//
// [Find] looks for the library, [Install] fetches the pinned build of it, and
// [Open] loads it. A [Session] holds one graph ready to run on the CPU in
// float32; it takes any number of callers at once, and gives the same bits
// whoever runs beside, because every call is a batch of its own.
//
// A metric wants an interface of its own package, so the program joins the two:
//
//	type engine struct {
//		*ort.Runtime
//		opt ort.SessionOptions
//	}
//
//	func (e engine) Open(ctx context.Context, m *onnx.Model) (metric.Runner, error) {
//		s, err := e.OpenSession(ctx, m, e.opt)
//		if err != nil {
//			return nil, err
//		}
//		return s, nil
//	}
package ort
