package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/metric"
	"github.com/gen-emerge/assay/pixel"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/weights"
)

type embedFlags struct {
	in      inputs
	metrics []string
	npy     string
	workers int
	limits  limitFlags
	towers  towerFlags
}

func newEmbed(w world) *cobra.Command {
	var f embedFlags
	c := &cobra.Command{
		Use:   "embed -m INSTRUMENT IMAGE|GLOB|DIR|- ...",
		Short: "Print the vectors that instruments see images as",
		Long: `Embed prints what the networks below instruments give for images: one JSON object
an image and vector, with the identity under which the vector may be compared.
Instruments on the same network share it, and it is printed once.

Of an instrument that measures distances (dreamsim, layout) it is the vector whose
distances it reads; of others it is the network's own, not normalised. Rows of
features that measures of sets are taken from (inception-tf, vgg16-fc2) have no
readings, only vectors. --npy FILE
writes a float32 matrix for NumPy instead, one row an image, and the objects,
without vectors, name its rows.`,
		Example: "  assay embed -m clip-score renders/ > vectors.jsonl\n  assay embed -m dreamsim --npy dreamsim.npy renders/ > rows.jsonl",
		RunE:    func(c *cobra.Command, args []string) error { return embed(c.Context(), c, w, &f, args) },
	}
	flags := c.Flags()
	flags.StringSliceVarP(&f.metrics, "metrics", "m", nil, "`INSTRUMENTS` whose vectors are wanted")
	flags.StringVar(&f.npy, "npy", "", "write the vectors to this `FILE`, as a matrix")
	flags.BoolVarP(&f.in.recursive, "recursive", "r", false, "look in the folders below a folder")
	flags.StringVar(&f.in.manifest, "manifest", "", "a CSV or JSON-lines `FILE` with a column path")
	flags.IntVarP(&f.workers, "workers", "j", 0, "images in work at once; one per CPU if 0")
	f.limits.register(c)
	f.towers.registerBulk(c)
	lineOnly(c, "npy")
	return c
}

// An embedded is one image's vectors.
type embedded struct {
	path    string
	id      assay.Digest
	vectors []assay.Embedding
	err     error
}

// An embedLine is a line of `assay embed`.
type embedLine struct {
	Path   string       `json:"path"`
	Digest assay.Digest `json:"digest,omitzero"`
	*assay.Identity
	Dim    int       `json:"dim,omitempty"`
	Row    *int      `json:"row,omitempty"` // of the matrix, from 0
	Vector []float32 `json:"vector,omitempty"`
	Error  string    `json:"error,omitempty"`
}

func embed(ctx context.Context, c *cobra.Command, w world, f *embedFlags, args []string) (err error) {
	if len(f.metrics) == 0 {
		return usage("name the instruments whose vectors are wanted: -m clip-score, say")
	}
	f.in.limit, f.in.stdin = f.limits.bytes, w.in
	list, err := f.in.list(ctx, args)
	if err != nil {
		return err
	}
	workers := f.workers
	if workers < 1 {
		workers = runtime.NumCPU()
	}
	tools, err := openVectors(ctx, w, logger(c, w), f.towers, min(workers, len(list)), f.metrics)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tools.Close()) }()
	for _, in := range tools.Instruments {
		if !in.Embeds() && len(in.TowerIdentities()) == 0 {
			return usage("%s sees images as no vector", in.Name)
		}
	}
	out, err := newEmbedWriter(w.out, f.npy)
	if err != nil {
		return err
	}
	bar := newProgress(w, "embedding", len(list))
	defer bar.stop()
	err = inOrder(ctx, workers, list, func(ctx context.Context, in series.Input) embedded {
		return embedOne(ctx, in, tools.Instruments, f.limits.limits())
	}, func(e embedded) error {
		defer bar.step()
		return out.write(e)
	})
	bar.stop()
	if err = errors.Join(err, out.close()); err == nil && out.partial {
		err = errPartial
	}
	return err
}

func embedOne(ctx context.Context, in series.Input, tools []*metric.Instrument, lim pixel.Limits) embedded {
	pic, id, err := readPicture(ctx, in, lim)
	out := embedded{path: in.Path, id: id, err: err}
	if err != nil {
		return out
	}
	for _, tool := range tools {
		vectors, err := vectorsOf(ctx, tool, pic)
		if err != nil {
			out.err = err
			return out
		}
		for _, v := range vectors {
			if !slices.ContainsFunc(out.vectors, func(e assay.Embedding) bool { return e.Identity == v.Identity }) {
				out.vectors = append(out.vectors, v)
			}
		}
	}
	return out
}

// vectorsOf returns the vectors of one instrument.
func vectorsOf(ctx context.Context, tool *metric.Instrument, pic *metric.Picture) ([]assay.Embedding, error) {
	if !tool.Embeds() {
		return tool.Embeddings(ctx, pic)
	}
	v, err := tool.Embed(ctx, pic)
	return []assay.Embedding{{Identity: tool.Identity(), Vector: v}}, err
}

// An embedWriter writes lines, and the matrix if one is wanted.
type embedWriter struct {
	lines   *json.Encoder
	matrix  *os.File
	buf     *bufio.Writer
	dim     int
	rows    int
	id      assay.Identity
	partial bool
}

func newEmbedWriter(out io.Writer, npy string) (*embedWriter, error) {
	e := &embedWriter{lines: json.NewEncoder(out)}
	if npy == "" {
		return e, nil
	}
	var err error
	if e.matrix, err = os.Create(npy); err != nil {
		return nil, err
	}
	e.buf = bufio.NewWriter(e.matrix)
	_, err = e.buf.Write(make([]byte, npyHeader)) // written at the end, when the size is known
	return e, err
}

func (w *embedWriter) write(e embedded) error {
	if e.err != nil {
		w.partial = true
		return w.lines.Encode(embedLine{Path: e.path, Digest: e.id, Error: e.err.Error()})
	}
	for _, v := range e.vectors {
		line := embedLine{Path: e.path, Digest: e.id, Identity: &v.Identity, Dim: len(v.Vector), Vector: v.Vector}
		if w.matrix != nil {
			if err := w.row(v); err != nil {
				return err
			}
			row := w.rows - 1
			line.Row, line.Vector = &row, nil
		}
		if err := w.lines.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

// row appends a vector to the matrix, whose rows must be comparable.
func (w *embedWriter) row(v assay.Embedding) error {
	if w.rows == 0 {
		w.dim, w.id = len(v.Vector), v.Identity
	}
	if v.Identity != w.id {
		return usage("--npy holds one kind of vector, and %s and %s are two: run the command once for each", w.id.Instrument, v.Instrument)
	}
	w.rows++
	_, err := w.buf.Write(weights.Float32Bytes(v.Vector))
	return err
}

// npyHeader is the length in bytes of the header of a NumPy file, a multiple of 64.
const npyHeader = 128

// close writes the header, now that the number of rows is known.
func (w *embedWriter) close() error {
	if w.matrix == nil {
		return nil
	}
	err := w.buf.Flush()
	_, headErr := w.matrix.WriteAt(npyHead(w.rows, w.dim), 0)
	return errors.Join(err, headErr, w.matrix.Close())
}

// npyHead is the header of a matrix of float32 in a NumPy file.
func npyHead(rows, cols int) []byte {
	dict := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", rows, cols)
	head := "\x93NUMPY\x01\x00" + string([]byte{npyHeader - 10, 0}) + dict
	return []byte(head + strings.Repeat(" ", npyHeader-1-len(head)) + "\n")
}
