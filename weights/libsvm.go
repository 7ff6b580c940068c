package weights

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/gen-emerge/assay"
)

// An SVR is an epsilon support-vector regression with the radial basis function
// kernel, as LIBSVM trains it: y(x) = Σᵢ Coef[i]·exp(−Gamma·‖x − SV[i]‖²) − Rho.
//
// Source: Chang and Lin, LIBSVM: a library for support vector machines, ACM
// TIST 2011.
type SVR struct {
	Gamma float64     // of the kernel; above 0
	Rho   float64     // subtracted from the sum
	ProbA float64     // scale of the Laplace error model that LIBSVM fits; 0 if the file has none
	Coef  []float64   // one per support vector, αᵢ − αᵢ*
	SV    [][]float64 // support vectors, each of Dim values
}

// Dim returns how many features the model reads.
func (m *SVR) Dim() int {
	if len(m.SV) == 0 {
		return 0
	}
	return len(m.SV[0])
}

// Predict returns the regression's value at x, which must have Dim features,
// scaled as the model was trained; otherwise the result is NaN, because a feature
// that is missing is not a feature that is 0. The terms are added in the
// order of the file.
func (m *SVR) Predict(x []float64) float64 {
	if len(x) != m.Dim() {
		return math.NaN()
	}
	sum := 0.0
	for i, sv := range m.SV {
		d2 := 0.0
		for j, v := range sv {
			d := x[j] - v
			d2 += d * d
		}
		sum += m.Coef[i] * math.Exp(-m.Gamma*d2)
	}
	return sum - m.Rho
}

// Digest names the model: the 64 hex digits of a SHA-256 over the line "assay svr
// 1\n" and then, as little-endian float64, Gamma, Rho, the number of support
// vectors, Dim, and for each vector its coefficient and its values. Spelling,
// line ends and ProbA, which predictions do not use, do not matter.
func (m *SVR) Digest() string {
	h := sha256.New()
	io.WriteString(h, "assay svr 1\n")
	buf := make([]byte, 0, 8*(1+m.Dim()))
	add := func(values ...float64) {
		for _, v := range values {
			buf = binary.LittleEndian.AppendUint64(buf, math.Float64bits(v))
		}
	}
	add(m.Gamma, m.Rho, float64(len(m.SV)), float64(m.Dim()))
	for i, sv := range m.SV {
		add(m.Coef[i])
		add(sv...)
		h.Write(buf)
		buf = buf[:0]
	}
	h.Write(buf)
	return hex.EncodeToString(h.Sum(nil))
}

// Bounds on LIBSVM text models. BRISQUE's has 774 vectors of 36 features in 345 kB.
const (
	svrBytes = 64 << 20 // of the file
	svrLine  = 1 << 20  // of one line
	// A feature that is 0 may be left out, so that a short line can ask for a
	// long vector. This many values are granted for each one that is written.
	svrSparsity = 16
)

// ReadSVR reads a LIBSVM text model whose svm_type is epsilon_svr and whose
// kernel_type is rbf; other types are refused by name. Features that a support
// vector leaves out are 0. An error wraps [assay.ErrInvalid] unless r failed, and
// names the line.
func ReadSVR(r io.Reader) (*SVR, error) {
	p := &svrParser{lines: bufio.NewScanner(io.LimitReader(r, svrBytes+1))}
	p.lines.Buffer(make([]byte, 0, 4096), svrLine)
	want, err := p.header()
	if err != nil {
		return nil, err
	}
	for p.next() {
		if err := p.vector(want); err != nil {
			return nil, err
		}
	}
	if err := p.broken(); err != nil {
		return nil, err
	}
	if len(p.sparse) != want {
		return nil, p.invalid("total_sv promises %d support vectors, %d are there", want, len(p.sparse))
	}
	return p.dense()
}

type svrParser struct {
	lines  *bufio.Scanner
	line   int   // number of the current line, from 1
	read   int64 // bytes of lines read
	text   string
	model  SVR
	sparse [][]feature
	dim    int   // highest feature seen
	values int64 // features written in all
}

// A feature is index:value as written; index counts from 0.
type feature struct {
	index int
	value float64
}

func (p *svrParser) invalid(format string, args ...any) error {
	return fmt.Errorf("libsvm model, line %d: %s: %w", p.line, fmt.Sprintf(format, args...), assay.ErrInvalid)
}

// next reads the next line that is not blank.
func (p *svrParser) next() bool {
	for p.lines.Scan() {
		p.line++
		p.read += int64(len(p.lines.Bytes())) + 1
		if p.text = strings.TrimSpace(p.lines.Text()); p.text != "" {
			return true
		}
	}
	return false
}

// broken says why reading ended, if it was not the end of the file.
func (p *svrParser) broken() error {
	switch err := p.lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		p.line++
		return p.invalid("longer than %d bytes", svrLine)
	case err != nil:
		return fmt.Errorf("libsvm model, after line %d: %w", p.line, err)
	case p.read > svrBytes:
		return p.invalid("the file is longer than %d bytes", svrBytes)
	}
	return nil
}

// header reads the lines before "SV" and returns the promised number of support
// vectors.
func (p *svrParser) header() (vectors int, err error) {
	seen := make(map[string]string)
	for p.next() {
		key, value, _ := strings.Cut(p.text, " ")
		if key == "SV" {
			return p.headerDone(seen)
		}
		if _, ok := seen[key]; ok {
			return 0, p.invalid("%.100q appears twice", key)
		}
		switch key {
		case "svm_type", "kernel_type", "gamma", "rho", "nr_class", "total_sv", "probA":
			seen[key] = strings.TrimSpace(value)
		default:
			return 0, p.invalid("key %.100q is not one of a regression with an rbf kernel", key)
		}
	}
	if err := p.broken(); err != nil {
		return 0, err
	}
	return 0, p.invalid("the file ends before the line SV: not a libsvm model, or cut short")
}

func (p *svrParser) headerDone(seen map[string]string) (vectors int, err error) {
	for _, want := range []struct{ key, value string }{
		{"svm_type", "epsilon_svr"}, {"kernel_type", "rbf"}, {"nr_class", "2"},
	} {
		if seen[want.key] != want.value {
			return 0, p.invalid("%s is %.100q, only %q is supported", want.key, seen[want.key], want.value)
		}
	}
	numbers := map[string]*float64{"gamma": &p.model.Gamma, "rho": &p.model.Rho, "probA": &p.model.ProbA}
	for key, into := range numbers {
		text, ok := seen[key]
		if !ok && key == "probA" {
			continue
		}
		if *into, err = finite(text); err != nil {
			return 0, p.invalid("%s: %v", key, err)
		}
	}
	if p.model.Gamma <= 0 {
		return 0, p.invalid("gamma is %g, want more than 0", p.model.Gamma)
	}
	vectors, err = strconv.Atoi(seen["total_sv"])
	if err != nil || vectors < 1 {
		return 0, p.invalid("total_sv is %.100q, want a positive integer", seen["total_sv"])
	}
	return vectors, nil
}

// vector reads a line: the coefficient, then index:value with ascending indices
// that count from 1.
func (p *svrParser) vector(want int) error {
	if len(p.sparse) == want {
		return p.invalid("more support vectors than total_sv promises (%d)", want)
	}
	coef, rest, _ := strings.Cut(p.text, " ")
	c, err := finite(coef)
	if err != nil {
		return p.invalid("coefficient: %v", err)
	}
	var features []feature
	last := 0
	for field := range strings.FieldsSeq(rest) {
		index, value, ok := strings.Cut(field, ":")
		i, err := strconv.Atoi(index)
		if !ok || err != nil || i <= last || i > math.MaxInt32 {
			return p.invalid("feature %.100q: want index:value with indices that ascend from 1", field)
		}
		v, err := finite(value)
		if err != nil {
			return p.invalid("feature %d: %v", i, err)
		}
		features, last = append(features, feature{i - 1, v}), i
	}
	p.dim, p.values = max(p.dim, last), p.values+int64(len(features))
	p.model.Coef = append(p.model.Coef, c)
	p.sparse = append(p.sparse, features)
	return nil
}

// dense fills in the features that were left out.
func (p *svrParser) dense() (*SVR, error) {
	n, dim := int64(len(p.sparse)), int64(p.dim)
	if dim == 0 {
		return nil, p.invalid("no support vector has a feature")
	}
	if most := svrSparsity*p.values + 4096; n > most/dim {
		return nil, p.invalid("%d vectors of %d features are too many for a file that writes %d values: it is sparser than 1 in %d",
			n, dim, p.values, svrSparsity)
	}
	flat := make([]float64, n*dim)
	p.model.SV = make([][]float64, n)
	for i, features := range p.sparse {
		p.model.SV[i], flat = flat[:dim:dim], flat[dim:]
		for _, f := range features {
			p.model.SV[i][f.index] = f.value
		}
	}
	return &p.model, nil
}

// finite parses a decimal number that is neither infinite nor NaN.
func finite(text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
		return 0, fmt.Errorf("%.100q is not a finite number", text)
	}
	return v, nil
}
