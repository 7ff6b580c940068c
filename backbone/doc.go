// Package backbone holds the networks that metrics look through, one file a
// family and one row a variant, as graphs over an [onnx.Builder].
//
// A network states its layers and nothing else: which tensors it asks for, in
// which shapes, and where its features are tapped. The caller says how the
// checkpoint names the parts, since the same weights travel under several names.
package backbone
