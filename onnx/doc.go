// Package onnx describes neural networks as ONNX graphs. It runs nothing.
//
// A [Builder] collects the nodes of one graph. Every operator checks the shapes
// of what it is given and works out the shape of what it makes, so that a
// mistake is reported where it was made and not by the runtime. Parameters are
// asked for where they are used, by full name and exact shape, from a [Weights];
// large ones stay in the checkpoint file, and the graph only says where.
//
// The result is a [Model]: bytes that any ONNX runtime reads, unless the graph has
// [Builder.Attention], which is ONNX Runtime's own, and that [Dump] prints for
// people.
package onnx
