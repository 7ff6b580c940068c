package series

import (
	"errors"
	"strings"

	"github.com/gen-emerge/assay"
)

// told is an error as a sentence for people: without the word at its end that
// only programs branch on.
func told(err error) string {
	text := err.Error()
	for _, sentinel := range []error{assay.ErrUnavailable, assay.ErrInvalid, assay.ErrNotFound, assay.ErrConflict} {
		if errors.Is(err, sentinel) {
			text = strings.TrimSuffix(text, ": "+sentinel.Error())
		}
	}
	return text
}
