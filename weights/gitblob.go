package weights

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"os"
)

// gitBlob returns the name that git gives to the contents of the file at path: 40
// hex digits of the SHA-1 of "blob ", the size in decimal, a zero byte, and the
// contents. Repositories that publish no digest of their files publish this one.
func gitBlob(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", info.Size())
	if _, err := io.Copy(h, &cancellable{ctx, f}); err != nil {
		if ctx.Err() != nil {
			return "", fmt.Errorf("verifying %s: %w", path, context.Cause(ctx))
		}
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// published reports whether upstream says what the file is.
func (f File) published() bool { return f.SHA256 != "" || f.GitBlob != "" }

// blobOf returns the name that git gives to the file at path if that is what f is
// compared by, "" otherwise.
func (f File) blobOf(ctx context.Context, path string) (string, error) {
	if f.SHA256 != "" || f.GitBlob == "" {
		return "", nil
	}
	return gitBlob(ctx, path)
}

// unlike says how a file with these digests differs from f; "" if it does not.
func (f File) unlike(sum, blob string) string {
	switch {
	case f.SHA256 != "" && sum != f.SHA256:
		return fmt.Sprintf("SHA-256 %s, want %s", sum, f.SHA256)
	case f.SHA256 == "" && f.GitBlob != "" && blob != f.GitBlob:
		return fmt.Sprintf("git blob %s, want %s", blob, f.GitBlob)
	}
	return ""
}
