package ort

import (
	"fmt"
	"unsafe"

	"github.com/ebitengine/purego"

	"github.com/gen-emerge/assay"
)

// apiVersion is the version of ONNX Runtime's C interface that is asked for. A
// library gives every version up to its own, so 1.24 and later will do. The
// functions used are all older; what is needed of a newer library is that its
// sessions map weights from a named folder.
const apiVersion = 24

// A handle is an object of the library. Zero is none.
type handle uintptr

// A status is the library's account of a failure, or zero.
type status uintptr

// apiBase is OrtApiBase: what the library's only symbol returns.
type apiBase struct {
	getAPI           uintptr // const OrtApi* (uint32_t version)
	getVersionString uintptr // const char* (void)
}

// apiTable is the part of OrtApi that is used. The order of its members is
// fixed for ever: later versions only append (onnxruntime_c_api.h).
type apiTable [131]uintptr

// api holds the functions of the library that are used, with the meaning the
// header gives them.
type api struct {
	createStatus    func(code int32, message string) status
	getErrorCode    func(status) int32
	getErrorMessage func(status) string
	releaseStatus   func(status)

	createEnv           func(level int32, id string, out *handle) status
	releaseEnv          func(handle)
	createCPUMemoryInfo func(allocator, memory int32, out *handle) status
	releaseMemoryInfo   func(handle)
	allocator           func(out *handle) status // the default one; never released
	allocatorFree       func(allocator handle, p unsafe.Pointer) status
	providers           func(out *unsafe.Pointer, n *int32) status
	releaseProviders    func(p unsafe.Pointer, n int32) status

	createOptions   func(out *handle) status
	releaseOptions  func(handle)
	setOptimization func(options handle, level int32) status
	setIntraThreads func(options handle, n int32) status
	setInterThreads func(options handle, n int32) status
	addConfig       func(options handle, key, value string) status

	createDomain  func(name string, out *handle) status
	releaseDomain func(handle)
	domainAdd     func(domain handle, op *customOp) status // the op must outlive the domain
	addDomain     func(options, domain handle) status      // and the domain the session

	createSession  func(env handle, model *byte, size uintptr, options handle, out *handle) status
	releaseSession func(handle)
	inputCount     func(session handle, out *uintptr) status
	outputCount    func(session handle, out *uintptr) status
	inputName      func(session handle, i uintptr, allocator handle, out *unsafe.Pointer) status
	outputName     func(session handle, i uintptr, allocator handle, out *unsafe.Pointer) status

	createRunOptions  func(out *handle) status
	releaseRunOptions func(handle)
	terminate         func(runOptions handle) status
	run               func(session, runOptions handle, inNames **byte, in *handle, nIn uintptr, outNames **byte, nOut uintptr, out *handle) status

	createTensor func(memory handle, data *float32, bytes uintptr, shape *int64, rank uintptr, elem int32, out *handle) status
	tensorData   func(value handle, out *unsafe.Pointer) status
	tensorInfo   func(value handle, out *handle) status
	elemType     func(info handle, out *int32) status
	rank         func(info handle, out *uintptr) status
	dims         func(info handle, out *int64, rank uintptr) status
	releaseInfo  func(handle)
	releaseValue func(handle)

	kernel kernelAPI
}

// bind loads the symbols of an opened library. It returns the functions and the
// library's version, such as "1.30.0".
func bind(lib uintptr) (*api, string, error) {
	symbol, err := lookup(lib, "OrtGetApiBase")
	if err != nil {
		return nil, "", fmt.Errorf("not an ONNX Runtime library: %w: %w", err, assay.ErrInvalid)
	}
	var getBase func() unsafe.Pointer
	purego.RegisterFunc(&getBase, symbol)
	base := (*apiBase)(getBase())

	var versionString func() string
	purego.RegisterFunc(&versionString, base.getVersionString)
	version := versionString()

	var getAPI func(uint32) unsafe.Pointer
	purego.RegisterFunc(&getAPI, base.getAPI)
	table := (*apiTable)(getAPI(apiVersion))
	if table == nil {
		return nil, "", fmt.Errorf("ONNX Runtime %s is too old, want 1.%d or later: %w", version, apiVersion, assay.ErrUnavailable)
	}
	return newAPI(table), version, nil
}

// newAPI reads the table. The numbers are the functions' places in OrtApi.
func newAPI(t *apiTable) *api {
	a := new(api)
	for _, f := range []struct {
		fn any
		at int
	}{
		{&a.createStatus, 0},         // CreateStatus
		{&a.getErrorCode, 1},         // GetErrorCode
		{&a.getErrorMessage, 2},      // GetErrorMessage
		{&a.createEnv, 3},            // CreateEnv
		{&a.createSession, 8},        // CreateSessionFromArray
		{&a.run, 9},                  // Run
		{&a.createOptions, 10},       // CreateSessionOptions
		{&a.setOptimization, 23},     // SetSessionGraphOptimizationLevel
		{&a.setIntraThreads, 24},     // SetIntraOpNumThreads
		{&a.setInterThreads, 25},     // SetInterOpNumThreads
		{&a.createDomain, 26},        // CreateCustomOpDomain
		{&a.domainAdd, 27},           // CustomOpDomain_Add
		{&a.addDomain, 28},           // AddCustomOpDomain
		{&a.inputCount, 30},          // SessionGetInputCount
		{&a.outputCount, 31},         // SessionGetOutputCount
		{&a.inputName, 36},           // SessionGetInputName
		{&a.outputName, 37},          // SessionGetOutputName
		{&a.createRunOptions, 39},    // CreateRunOptions
		{&a.terminate, 46},           // RunOptionsSetTerminate
		{&a.createTensor, 49},        // CreateTensorWithDataAsOrtValue
		{&a.tensorData, 51},          // GetTensorMutableData
		{&a.elemType, 60},            // GetTensorElementType
		{&a.rank, 61},                // GetDimensionsCount
		{&a.dims, 62},                // GetDimensions
		{&a.tensorInfo, 65},          // GetTensorTypeAndShape
		{&a.createCPUMemoryInfo, 69}, // CreateCpuMemoryInfo
		{&a.allocatorFree, 76},       // AllocatorFree
		{&a.allocator, 78},           // GetAllocatorWithDefaultOptions
		{&a.releaseEnv, 92},          // ReleaseEnv
		{&a.releaseStatus, 93},       // ReleaseStatus
		{&a.releaseMemoryInfo, 94},   // ReleaseMemoryInfo
		{&a.releaseSession, 95},      // ReleaseSession
		{&a.releaseValue, 96},        // ReleaseValue
		{&a.releaseRunOptions, 97},   // ReleaseRunOptions
		{&a.releaseInfo, 99},         // ReleaseTensorTypeAndShapeInfo
		{&a.releaseOptions, 100},     // ReleaseSessionOptions
		{&a.releaseDomain, 101},      // ReleaseCustomOpDomain
		{&a.providers, 125},          // GetAvailableProviders
		{&a.releaseProviders, 126},   // ReleaseAvailableProviders
		{&a.addConfig, 130},          // AddSessionConfigEntry
	} {
		purego.RegisterFunc(f.fn, t[f.at])
	}
	a.kernel = kernelFunctions(t)
	a.kernel.check = a.check
	return a
}

// kernelFunctions returns what an operator calls while it runs.
func kernelFunctions(t *apiTable) kernelAPI {
	return kernelAPI{
		input:       t[90], // KernelContext_GetInput
		output:      t[91], // KernelContext_GetOutput
		data:        t[51], // the others as above
		info:        t[65],
		rank:        t[61],
		dims:        t[62],
		releaseInfo: t[99],
	}
}

// The error codes that mean that the caller's graph or arguments are at fault
// (OrtErrorCode).
const (
	codeInvalidArgument = 2
	codeNoModel         = 4
	codeInvalidProtobuf = 7
	codeNotImplemented  = 9
	codeInvalidGraph    = 10
)

// check turns a status into an error and releases it. Errors about the graph or
// the arguments wrap [assay.ErrInvalid].
func (a *api) check(st status) error {
	if st == 0 {
		return nil
	}
	defer a.releaseStatus(st)
	message := a.getErrorMessage(st)
	switch a.getErrorCode(st) {
	case codeInvalidArgument, codeNoModel, codeInvalidProtobuf, codeNotImplemented, codeInvalidGraph:
		return fmt.Errorf("onnxruntime: %s: %w", message, assay.ErrInvalid)
	}
	return fmt.Errorf("onnxruntime: %s", message)
}

// cstring copies a string of the library.
func cstring(p unsafe.Pointer) string {
	n := 0
	for *(*byte)(unsafe.Add(p, n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(p), n))
}
