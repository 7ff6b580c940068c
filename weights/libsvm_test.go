package weights

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/gen-emerge/assay"
)

type svrCase struct {
	Model string
	X     [][]float64
	Y     []float64
}

// svrWorst compares predictions with LIBSVM's (reference/weights_libsvm.py). The
// tolerance is for the order of additions: terms are up to max|Coef|.
func svrWorst(t *testing.T, m *SVR, c svrCase) {
	t.Helper()
	scale := math.Abs(m.Rho)
	for _, v := range m.Coef {
		scale += math.Abs(v)
	}
	worst := 0.0
	for i, x := range c.X {
		d := math.Abs(m.Predict(x) - c.Y[i])
		if !(d <= 1e-14*scale) {
			t.Errorf("input %d: %v, LIBSVM %v", i, m.Predict(x), c.Y[i])
		}
		worst = max(worst, d)
	}
	t.Logf("worst difference %.2g, sum of |terms| up to %.2g", worst, scale)
}

func TestSVR(t *testing.T) {
	var cases map[string]svrCase
	readJSON(t, "libsvm.json", &cases)
	m, err := ReadSVR(strings.NewReader(cases["small"].Model))
	if err != nil {
		t.Fatal(err)
	}
	if m.Dim() != 4 {
		t.Errorf("%d features, want 4", m.Dim())
	}
	svrWorst(t, m, cases["small"])
	if !math.IsNaN(m.Predict([]float64{1, 2, 3})) {
		t.Error("too few features give a number")
	}
	windows, err := ReadSVR(strings.NewReader(strings.ReplaceAll(cases["small"].Model, "\n", " \r\n")))
	if err != nil || windows.Digest() != m.Digest() {
		t.Errorf("line ends change the digest: %v", err)
	}
	m.SV[3][2] = math.Nextafter(m.SV[3][2], 9)
	if windows.Digest() == m.Digest() {
		t.Error("another vector, the same digest")
	}
}

func TestBRISQUEModel(t *testing.T) {
	data, err := os.ReadFile(dataFile(t, "brisque_svm/official_774sv_allmodel"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := ReadSVR(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.SV) != 774 || m.Dim() != 36 || m.Rho != -153.591 || m.Gamma != 0.05 || m.ProbA != 5.71401 {
		t.Errorf("%d vectors of %d, rho %v, gamma %v, probA %v", len(m.SV), m.Dim(), m.Rho, m.Gamma, m.ProbA)
	}
	var cases map[string]svrCase
	readJSON(t, "libsvm.json", &cases)
	svrWorst(t, m, cases["brisque"])
	for cut := 0; cut < len(data)-100; cut += 997 {
		if _, err := ReadSVR(bytes.NewReader(data[:cut])); !errors.Is(err, assay.ErrInvalid) {
			t.Fatalf("cut after %d bytes: %v", cut, err)
		}
	}
}

func TestSVRRefusals(t *testing.T) {
	const head = "svm_type epsilon_svr\nkernel_type rbf\ngamma 0.5\nnr_class 2\ntotal_sv 1\nrho -1\nSV\n"
	if _, err := ReadSVR(strings.NewReader(head + "1 1:2\n")); err != nil {
		t.Fatal(err)
	}
	edit := func(old, new string) string { return strings.Replace(head, old, new, 1) + "1 1:2\n" }
	for name, c := range map[string]struct{ text, want string }{
		"empty":           {"", "not a libsvm model"},
		"classifier":      {edit("epsilon_svr", "c_svc"), `svm_type is "c_svc"`},
		"kernel":          {edit("rbf", "linear"), `kernel_type is "linear"`},
		"gamma":           {edit("0.5", "0"), "gamma is 0"},
		"no rho":          {edit("rho -1\n", ""), "rho"},
		"infinite rho":    {edit("rho -1", "rho inf"), "not a finite number"},
		"degree":          {edit("rho", "degree 3\nrho"), `"degree"`},
		"twice":           {edit("rho", "rho 1\nrho"), `"rho" appears twice`},
		"many promised":   {edit("total_sv 1", "total_sv 1000000000000"), "promises 1000000000000"},
		"none promised":   {edit("total_sv 1", "total_sv 0"), "total_sv"},
		"more vectors":    {head + "1 1:2\n1 1:3\n", "line 9: more support vectors"},
		"index 0":         {head + "1 0:2\n", "ascend from 1"},
		"descending":      {head + "1 2:2 1:2\n", "ascend"},
		"no colon":        {head + "1 2\n", `"2"`},
		"not a number":    {head + "1 1:x\n", "feature 1"},
		"not a number, 2": {head + "x 1:1\n", "coefficient"},
		"nothing":         {head + "1\n", "no support vector has a feature"},
		"sparse":          {head + "1 2000000000:1\n", "2000000000 features are too many"},
		"long line":       {head + strings.Repeat("1", svrLine+10), "longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			memory := allocated(func() { _, err = ReadSVR(strings.NewReader(c.text)) })
			if !errors.Is(err, assay.ErrInvalid) || !strings.Contains(fmt.Sprint(err), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if memory > memoryBound(len(c.text)) {
				t.Errorf("%d bytes allocated", memory)
			}
		})
	}
}

func BenchmarkSVRPredict(b *testing.B) {
	f, err := os.Open(dataFile(b, "brisque_svm/official_774sv_allmodel"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	m, err := ReadSVR(f)
	if err != nil {
		b.Fatal(err)
	}
	x := make([]float64, m.Dim())
	b.ReportAllocs()
	for b.Loop() {
		m.Predict(x)
	}
}
