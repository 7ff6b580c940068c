package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/gen-emerge/assay"
)

// orphanAge is how old an unfinished blob must be before opening the workspace
// removes it: far longer than any write in progress elsewhere can take.
const orphanAge = 24 * time.Hour

// blobs is the folder of the images' bytes. The blob named 4f2a... is the file
// 4f/4f2a...; unfinished ones are in tmp.
type blobs struct {
	dir    string
	fill   func(*os.File, []byte) error // writes a blob's bytes; tests put a failing one here
	synced *sync.Map                    // names of subfolders that are known to be on the disk
}

// openBlobs creates the folder if it is missing and clears away what a crash
// left unfinished.
func openBlobs(dir string, opt Options) (blobs, error) {
	b := blobs{dir: dir, synced: new(sync.Map), fill: func(f *os.File, data []byte) error {
		_, err := f.Write(data)
		return err
	}}
	if err := os.MkdirAll(b.tmp(), 0o755); err != nil {
		return b, explainFile(dir, err)
	}
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := syncDir(d); err != nil {
			return b, explainFile(d, err)
		}
	}
	left, err := os.ReadDir(b.tmp())
	if err != nil {
		return b, explainFile(b.tmp(), err)
	}
	for _, e := range left {
		info, err := e.Info()
		if err != nil || opt.Now().Sub(info.ModTime()) < orphanAge {
			continue // gone meanwhile, or perhaps still being written
		}
		if err := os.Remove(filepath.Join(b.tmp(), e.Name())); err == nil {
			opt.Log.Info("unfinished blob removed", "file", e.Name(), "bytes", info.Size())
		}
	}
	return b, nil
}

func (b blobs) tmp() string { return filepath.Join(b.dir, "tmp") }

// path returns where the blob id is, or would be.
func (b blobs) path(id assay.Digest) string {
	name := id.String()
	return filepath.Join(b.dir, name[:2], name)
}

// put makes data durable under the name id: when it returns nil, the file is
// whole and both it and its name have reached the disk. A file that is there
// already is kept if it is whole and replaced if it is not.
func (b blobs) put(id assay.Digest, data []byte) error {
	path := b.path(id)
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return explainFile(folder, err)
	}
	if _, ok := b.synced.Load(filepath.Base(folder)); !ok {
		if err := syncDir(b.dir); err != nil {
			return explainFile(b.dir, err)
		}
		b.synced.Store(filepath.Base(folder), true)
	}
	if old, err := os.ReadFile(path); err != nil || !bytes.Equal(old, data) {
		if err := b.create(path, data); err != nil {
			return explainFile(path, err)
		}
	}
	// Also for a file that was there: who wrote it may have died before this.
	return explainFile(folder, syncDir(folder))
}

// create writes the file at path so that it is never seen unfinished.
func (b blobs) create(path string, data []byte) (err error) {
	f, err := os.CreateTemp(b.tmp(), filepath.Base(path)[:12]+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := b.fill(f, data); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil && runtime.GOOS != "windows" {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// syncDir makes the names in dir durable.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // a folder cannot be synced there; NTFS journals names itself
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// BlobPath returns the name of the file that holds, or would hold, the bytes
// of the image id.
func (db *DB) BlobPath(id assay.Digest) string { return db.blobs.path(id) }

// Blob returns the encoded bytes of the image id, after checking that they are
// what the name says. Other bytes are a [*CorruptError]; no file is an error
// wrapping [assay.ErrNotFound].
func (db *DB) Blob(ctx context.Context, id assay.Digest) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	path := db.blobs.path(id)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("blob %s: no file %s: %w", id, path, assay.ErrNotFound)
	}
	if err != nil {
		return nil, explainFile(path, err)
	}
	if got := assay.DigestOf(data); got != id {
		return nil, &CorruptError{Table: "blob", Key: id.String(), Err: fmt.Errorf(
			"%s: %d bytes with SHA-256 %s; put the original image back there", path, len(data), got)}
	}
	return data, nil
}
