package metric

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
)

// statisticsFile writes a NumPy archive of float64 arrays.
func statisticsFile(t testing.TB, arrays map[string][]float64, shapes map[string][]int) string {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for name, v := range arrays {
		w, err := z.Create(name + ".npy")
		if err != nil {
			t.Fatal(err)
		}
		dims := strings.Trim(strings.ReplaceAll(fmt.Sprint(shapes[name]), " ", ", "), "[]") + ","
		head := fmt.Sprintf("{'descr': '<f8', 'fortran_order': False, 'shape': (%s), }\n", dims)
		w.Write([]byte("\x93NUMPY\x01\x00" + string(binary.LittleEndian.AppendUint16(nil, uint16(len(head)))) + head))
		w.Write(float64Bytes(v))
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "stats.npz")
	if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestStatistics: published statistics give the value that the images give, and
// what the file does not fit is refused.
func TestStatistics(t *testing.T) {
	x, y := setOf("inception-tf", "x", 40, sineRow), setOf("inception-tf", "y", 50, cosineRow)
	m := asMoments(t, y).Moments
	cov := make([]float64, 64)
	for i, v := range m.Scatter {
		cov[i] = v / 49
	}
	far := slices.Clone(m.Mean)
	far[0] += 10
	file := statisticsFile(t, map[string][]float64{"mu": m.Mean, "sigma": cov, "mu_s": far, "sigma_s": cov},
		map[string][]int{"mu": {8}, "sigma": {8, 8}, "mu_s": {8}, "sigma_s": {8, 8}})
	p, err := ReadStatistics(file)
	if err != nil {
		t.Fatal(err)
	}
	against := func(measure string) (SetReading, error) {
		s := mustSet(t, measure)
		ref, err := p.For(s, x)
		if err != nil {
			return SetReading{}, err
		}
		return s.Measure(t.Context(), x, ref, SetOptions{})
	}
	r, err := against("fid")
	if err != nil || math.Abs(r.Values[0].Value-0.730790064) > 1e-6 {
		t.Errorf("fid against published statistics: %v, %v, want 0.730790064", r.Values, err)
	}
	if digest, _ := fileDigest(file); r.Reference.Digest != digest || !r.Reference.Published || r.Reference.Images != 0 {
		t.Errorf("the reference is %+v", r.Reference)
	}
	if !strings.Contains(strings.Join(r.Warnings, ""), "nor how many images") || !strings.Contains(r.Values[0].Method, "held fixed") {
		t.Errorf("doubts: %q, %q", r.Warnings, r.Values[0].Method)
	}
	if s, err := against("sfid"); err != nil || s.Values[0].Value < 50 {
		t.Errorf("sfid takes the spatial statistics: %v, %v", s.Values, err)
	}
	if _, err := against("kid"); !errors.Is(err, assay.ErrInvalid) {
		t.Errorf("kid of a mean and a covariance: %v", err)
	}
	wide := setOf("inception-tf", "x", 40, func(i int) []float64 { return append(sineRow(i), 1) })
	if _, err := p.For(mustSet(t, "fid"), wide); err == nil || !strings.Contains(err.Error(), "of 8 numbers an image, inception-tf of 9") {
		t.Errorf("another network's statistics: %v", err)
	}
	lopsided := slices.Clone(cov)
	lopsided[1] += 1
	negative := slices.Clone(cov)
	negative[9] = -1
	for want, arrays := range map[string]map[string][]float64{
		"sigma":         {"mu": m.Mean},
		"no covariance": {"mu": m.Mean, "sigma": lopsided},
		"variance 1":    {"mu": m.Mean, "sigma": negative},
		"no statistics": {"sigma": cov},
	} {
		if _, err := ReadStatistics(statisticsFile(t, arrays, map[string][]int{"mu": {8}, "sigma": {8, 8}})); err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, assay.ErrInvalid) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// FuzzReadStatistics holds that whatever a file says, reading it ends in an error
// that wraps ErrInvalid, or in statistics that a set can be measured against.
func FuzzReadStatistics(f *testing.F) {
	eye := []float64{2, 1, 1, 3}
	for _, arrays := range []map[string][]float64{
		{"mu": {1, 2}, "sigma": eye}, {"mu": {1, 2}, "sigma": eye, "mu_s": {0, 0}, "sigma_s": eye}, {"mu": {1, 2}}, {"mu": {1, 2}, "sigma": {1, 2, 3, 4}},
	} {
		data, err := os.ReadFile(statisticsFile(f, arrays, map[string][]int{"mu": {2}, "sigma": {2, 2}, "mu_s": {2}, "sigma_s": {2, 2}}))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	dir := f.TempDir()
	x := setOf("inception-tf", "x", 5, func(i int) []float64 { return sineRow(i)[:2] })
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(dir, "fuzz.npz")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := ReadStatistics(path)
		if err != nil {
			if !errors.Is(err, assay.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		s := mustSet(t, "fid")
		ref, err := p.For(s, x)
		if err != nil {
			return
		}
		r, err := s.Measure(t.Context(), x, ref, SetOptions{NoInterval: true})
		if err == nil && !(r.Values[0].Value >= 0) {
			t.Errorf("fid %v", r.Values[0].Value)
		}
	})
}
