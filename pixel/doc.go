// Package pixel turns files into pixels and pixels into the tensors that models read.
//
// # Decoding
//
// [Sniff] reads a file's header and holds it against [Limits]; [Decode] does
// the same and then decodes. Both take the whole file as bytes, tell the format
// by its content and never by its name, and answer every refusal with an error
// that wraps [assay.ErrInvalid]. No pixel is allocated before the announced
// size has passed the limits, and the decoded size must equal the announced one.
//
// The reference is Pillow 13: [Decode] gives the mode and the bytes that
// Pillow's Image.open gives, and [Image.RGB] and [Image.Gray] those that its
// convert("RGB") and convert("L") give. Hence EXIF orientation is reported but
// not applied (TIFF is the exception, as in Pillow), colour profiles and gamma
// are ignored, alpha is dropped and not composited, and of an animation only
// the first frame is read. How close each format comes:
//
//   - PNG, JPEG, GIF, BMP, TIFF, WebP: the same bytes. For JPEG this is
//     libjpeg-turbo as Pillow runs it on x86-64: its accurate integer inverse
//     DCT, chroma upsampling and colour arithmetic, also where a damaged file's
//     coefficients overflow. The one thing left out is the smoothing by which
//     it hides that a progressive file lacks scans.
//   - AVIF: the same bytes for 4:4:4, alpha and grey. Subsampled chroma is
//     repeated where Pillow interpolates it: colours differ beside sharp edges.
//   - JPEG XL: the same bytes if lossless; else at most one level.
//   - HEIC, which Pillow does not read, against pillow-heif: the same bytes for
//     4:4:4 and grey, some levels beside edges for subsampled chroma. Rotation,
//     mirroring and cropping are applied; alpha is not delivered.
//
// The same file decodes to the same bytes on every machine: AVIF, HEIC and
// JPEG XL always run the WebAssembly build of their reference decoders, never a
// library that happens to be installed. Each of these is compiled on first use,
// which takes some tenths of a second.
//
// A file that ends early is refused, also where Pillow would fill the rest, and
// so is a JPEG whose data are no Huffman codes or whose restart markers are out
// of turn.
//
// # Resizing, tensors, edits, prompts
//
// [Image.Resize] is Pillow's 8-bit resampler, byte for byte, with its rules for
// each mode, in the order of passes of Pillow up to 12 (horizontal first, which
// is what published values were made with; Pillow 13 begins with the vertical
// pass for some tall images). [ResizeFloat] is its float mode; [TorchBilinear],
// [TorchBicubic] and [TF1Bilinear] are the tensor resizers that some instruments
// were published with, and [Image.LetterboxUnit] puts a whole picture into a
// square. [Image.CHW] and its relatives make the planar float32 tensors that
// networks read; [Normalize] does their arithmetic on resized floats. [Image.JPEG], [Image.Blur] and the other edits change a picture
// by a known amount, for controls. [ReadMeta] reads the prompt and settings that
// generators leave in their files.
//
// An [Image] is never changed after it is made; all functions of this package
// may be called from many goroutines.
package pixel
