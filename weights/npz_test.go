package weights

import (
	"archive/zip"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
)

// npy writes an array of version 1 with the given dictionary.
func npy(dict string, values []byte) []byte {
	out := []byte("\x93NUMPY\x01\x00")
	out = binary.LittleEndian.AppendUint16(out, uint16(len(dict)))
	return append(append(out, dict...), values...)
}

func TestNPZRules(t *testing.T) {
	eight := make([]byte, 8)
	header := func(descr, order, shape string) string {
		return "{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }\n"
	}
	for name, c := range map[string]struct {
		array []byte
		want  string
	}{
		"objects":      {npy(header("'|O'", "False", "(1,)"), eight), "pickled Python objects"},
		"big-endian":   {npy(header("'>f8'", "False", "(1,)"), eight), "big-endian"},
		"structured":   {npy(header("[('a', '<f8')]", "False", "(1,)"), eight), "structured"},
		"unknown type": {npy(header("'<f16'", "False", "(1,)"), eight), `"<f16"`},
		"too short":    {npy(header("'<f8'", "False", "(2,)"), eight), "does not take the 8 bytes"},
		"too long":     {npy(header("'<f4'", "False", "()"), eight), "does not take the 8 bytes"},
		"overflow":     {npy(header("'<f8'", "False", "(4294967296, 4294967296)"), eight), "2⁶³"},
		"negative":     {npy(header("'<f8'", "False", "(-1,)"), eight), "integer is missing"},
		"huge":         {npy(header("'<f8'", "True", "(99999999999999999999,)"), eight), "99999999999999999999"},
		"order":        {npy(header("'<f8'", "Maybe", "(1,)"), eight), `"False" is missing`},
		"twice":        {npy("{'descr': '<f8', 'descr': '<f8'}", eight), "appears twice"},
		"missing":      {npy("{'descr': '<f8'}", eight), "want the keys"},
		"unknown key":  {npy("{'x': 1}", eight), `"x"`},
		"call":         {npy("{'descr': __import__('os')}", eight), "structured"},
		"rest":         {npy(header("'<f8'", "False", "(1,)")+"x", eight), "follows the dictionary"},
		"version 3":    {[]byte("\x93NUMPY\x03\x00\x00\x00\x00\x00\x00\x00"), "version 3.0"},
		"no array":     {[]byte("not an array"), "signature"},
		"claim":        {[]byte("\x93NUMPY\x02\x00\xff\xff\xff\x7f{}"), "claims 2147483647 bytes"},
		"cut":          {[]byte("\x93NUMPY\x01"), "no .npy header"},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, zipOf(t, entry{"a.npy", c.array, zip.Store}), "a.npy", c.want)
			refused(t, zipOf(t, entry{"a.npy", c.array, zip.Deflate}), "a.npy", c.want)
		})
	}
	good := npy(header("'<f8'", "False", "(1,)"), eight)
	c, err := openBytes(zipOf(t, entry{"a.npy", good, zip.Deflate}), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if v, err := c.Float64("a"); err != nil || len(v) != 1 || v[0] != 0 {
		t.Errorf("%v %v", v, err)
	}
	refused(t, zipOf(t, entry{"a.npy", good, 0}, entry{"a.npy", good, 0}), "two entries")
}

// TestNPZBomb inflates 64 MiB of zeros only as far as it is allowed to.
func TestNPZBomb(t *testing.T) {
	const n = 64 << 20
	bomb := zipOf(t, entry{"a.npy", npy("{'descr': '|u1', 'fortran_order': False, 'shape': (67108864,), }", make([]byte, n)), zip.Deflate})
	_, err := openBytes(bomb, Limits{Inflate: 1 << 20})
	if !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), "more than the limit of 1048576") {
		t.Errorf("over the limit: %v", err)
	}
	var c *Checkpoint
	if memory := allocated(func() { c, err = openBytes(bomb, Limits{}) }); memory > memoryBound(len(bomb)) {
		t.Errorf("opening allocates %d bytes", memory)
	}
	if err != nil {
		t.Fatal(err)
	}
	raw, err := c.Bytes("a")
	if err != nil || len(raw) != n {
		t.Errorf("%d bytes, %v", len(raw), err)
	}
}

// TestNPZDamage changes one compressed byte: the checksum notices on reading.
func TestNPZDamage(t *testing.T) {
	values := make([]byte, 4096)
	for i := range values {
		values[i] = byte(i * i >> 3)
	}
	data := zipOf(t, entry{"a.npy", npy("{'descr': '|u1', 'fortran_order': False, 'shape': (4096,), }", values), zip.Deflate})
	c, err := openBytes(data, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 0x10
	if _, err := c.Bytes("a"); !errors.Is(err, assay.ErrInvalid) || !strings.Contains(err.Error(), "a.npy") {
		t.Errorf("damaged values: %v", err)
	}
}
