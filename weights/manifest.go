package weights

import "slices"

// A Tier says how much a model costs.
type Tier string

// Core models are under 10 MB, need no other model and take milliseconds;
// everything else is full.
const (
	Core Tier = "core"
	Full Tier = "full"
)

// A Model is a row of the manifest: what a checkpoint is, where it comes from and
// on what terms.
type Model struct {
	Name       string   // as commands and instruments call it
	Files      []File   // at least one
	Licence    string   // SPDX identifiers, or words where there is none
	LicenceURL string   // where the terms can be read
	Serves     []string // instruments that read it
	Tier       Tier
	Prefix     string // to be dropped from tensors' names with [Checkpoint.Sub]; usually empty
	Source     string // repository and commit the files are from
	Paper      string // that describes the model
	Reference  string // published values that an implementation with these weights must give
}

// Size returns the bytes of all files together.
func (m Model) Size() int64 {
	total := int64(0)
	for _, f := range m.Files {
		total += f.Size
	}
	return total
}

// Containers that hold no tensors of their own and that [Open] does not read.
const (
	ZipFiles  Container = "zip of files" // several checkpoints and what belongs to them
	GzipText  Container = "gzip text"    // one text file
	PlainText Container = "text"
)

// A File is one file of a model.
type File struct {
	Name      string    // in the cache, and in mirrors; a plain file name
	URL       string    // official address, of one fixed version
	Size      int64     // bytes; 0 if upstream does not say, then the first pull pins it
	SHA256    string    // 64 hex digits; empty if upstream publishes none, then the first pull pins it
	GitBlob   string    // where SHA256 is empty: 40 hex digits that git calls the contents by, compared at every pull; empty if there is no repository
	Container Container // how to read it
	Wheel     *Wheel    // a Python package that has the file too; nil if none does
}

// Manifest returns every model this build knows, in the order users see. The
// rows are the caller's own.
func Manifest() []Model {
	return slices.Concat(coreModels(), clipModels(), headModels(), dreamsimModels(), preferenceModels(), rewardModels(),
		nimaModels(), trunkModels(), inceptionModels(), judgeModels())
}

// find returns the named row.
func find(models []Model, name string) (Model, bool) {
	i := slices.IndexFunc(models, func(m Model) bool { return m.Name == name })
	if i < 0 {
		return Model{}, false
	}
	return models[i], true
}
