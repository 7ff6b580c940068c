package ort

import "path/filepath"

// Version is the version of ONNX Runtime that numbers are checked with, and that
// [Install] fetches.
const Version = "1.30.0"

// The npm package onnxruntime-node, published by ONNX Runtime's makers, and the
// digest its registry publishes for it (dist.integrity).
const (
	npmPackage   = "onnxruntime-node"
	npmIntegrity = "sha512-twhs1C2C/BFkz1yc5OY0KIU2GUq6DURO7hD4bx5Q2Qy3nAMJwRXW8xU3NVczE29VA9lolLOYepoD8fjTGOfIqw=="
	npmTarball   = 113_507_888 // bytes
)

// The Python package onnxruntime, of the same makers. Wheels differ by version of
// Python, the library inside does not; any Python can download this one.
const (
	pipPackage = "onnxruntime"
	pipPython  = "3.12"
	pipABI     = "cp312"
)

// A pin is one build of the library: where it comes from and what it must be.
type pin struct {
	goos, goarch string
	archive      string // "npm" or "pip"
	platform     string // what pip calls the platform; "" for npm
	member       string // the library's name in the archive
	size         int64  // bytes
	sha256       string
}

// pins lists the builds that are trusted, for each platform the preferred one
// first. The digests are of the files in the packages: for npm of the tarball
// that has npmIntegrity, for pip of the wheels whose RECORD agrees.
var pins = [...]pin{
	{"linux", "amd64", "npm", "", "package/bin/napi-v6/linux/x64/libonnxruntime.so.1", 45_828_512,
		"ffb75a925ba05e47b235bb66e3e3911714a80b328a9c9425539feb204aa32a23"},
	{"linux", "arm64", "npm", "", "package/bin/napi-v6/linux/arm64/libonnxruntime.so.1", 25_135_496,
		"1f549d46250b005580b597f4164984aaf75b3bcb9f3aeb07c7f8a8fe60b23c76"},
	{"darwin", "arm64", "npm", "", "package/bin/napi-v6/darwin/arm64/libonnxruntime.1.30.0.dylib", 44_589_928,
		"685d2be5dba1309c89d3a5324b7fd06a5c42f1a61bfea32d14c4cc28d072121d"},
	{"windows", "amd64", "npm", "", "package/bin/napi-v6/win32/x64/onnxruntime.dll", 28_754_232,
		"508c362f5673483dd3a086379c392795b2e42d10d5e6f3f90ebd7ac21c97af67"},
	{"windows", "arm64", "npm", "", "package/bin/napi-v6/win32/arm64/onnxruntime.dll", 29_815_136,
		"6c3a2abf5c6aca11c48a0d338a91af309f2266f25ce2e4084e6a87bbcb0fbfd0"},
	{"linux", "amd64", "pip", "manylinux_2_28_x86_64", "onnxruntime/capi/libonnxruntime.so.1.30.0", 28_985_152,
		"c902c70b3003c0e99fada202f37478c515ae9bba7944c2b2abd0017bae0c82ed"},
	{"linux", "arm64", "pip", "manylinux_2_28_aarch64", "onnxruntime/capi/libonnxruntime.so.1.30.0", 25_135_496,
		"8a218e1e446880131115c368ec7005969a5022af9a15a26173de648fef0b7789"},
	{"darwin", "arm64", "pip", "macosx_14_0_arm64", "onnxruntime/capi/libonnxruntime.1.30.0.dylib", 33_209_560,
		"b46713ea6a25a5227541c21001f6422c1ccdeaecc369aa026a61b752520325c3"},
	{"windows", "amd64", "pip", "win_amd64", "onnxruntime/capi/onnxruntime.dll", 18_446_176,
		"e42c5c917207ff706530315177e39dca2539695a6a8d968a22225e34291b1f12"},
	{"windows", "arm64", "pip", "win_arm64", "onnxruntime/capi/onnxruntime.dll", 18_351_456,
		"73f0a1ed25a088da5dbc5f76af9c32f8b7dd88033715078b0c04632a9d11f745"},
}

// pinned lists the builds for one platform, the preferred one first.
func pinned(goos, goarch string) []pin {
	var list []pin
	for _, p := range pins {
		if p.goos == goos && p.goarch == goarch {
			list = append(list, p)
		}
	}
	return list
}

// path returns where the build lies in the cache. Its folder is named by version
// and digest, so that two builds never mix.
func (p pin) path(cache string) string {
	return filepath.Join(cache, "ort", Version+"-"+p.sha256[:12], libraryNames(p.goos)[0])
}
