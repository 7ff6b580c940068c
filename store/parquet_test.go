package store

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/gen-emerge/assay"
)

// readParquet reads a file with the library's reader into a value a cell: nil, a
// scalar, or a slice of what a list holds.
func readParquet(t *testing.T, path string) (names []string, table []map[string]any) {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	must(t, err)
	leaves := file.Schema().Columns() // paths, in the order of the file
	for _, l := range leaves {
		names = append(names, l[0])
	}
	r := parquet.NewReader(bytes.NewReader(data))
	defer r.Close()
	rows := make([]parquet.Row, 7) // does not divide the batches of the writer
	for {
		n, err := r.ReadRows(rows)
		for _, row := range rows[:n] {
			cells := map[string]any{}
			for _, v := range row {
				name := leaves[v.Column()][0]
				var x any
				switch {
				case v.IsNull():
				case v.Kind() == parquet.ByteArray:
					x = string(v.ByteArray())
				case v.Kind() == parquet.Int64:
					x = v.Int64()
				case v.Kind() == parquet.Double:
					x = v.Double()
				case v.Kind() == parquet.Float:
					x = v.Float()
				case v.Kind() == parquet.Boolean:
					x = v.Boolean()
				}
				if len(leaves[v.Column()]) == 1 {
					cells[name] = x
				} else if list, _ := cells[name].([]any); x != nil {
					cells[name] = append(list, x)
				} else {
					cells[name] = []any{}
				}
			}
			table = append(table, cells)
		}
		if err != nil || n == 0 {
			return names, table
		}
	}
}

func TestParquet(t *testing.T) {
	ctx := t.Context()
	db := openSQLite(t)
	furnish(t, db)
	strange(t, db)
	dir := t.TempDir()
	counts, err := db.ExportParquet(ctx, dir)
	must(t, err)
	tables := map[string][]map[string]any{}
	for _, f := range parquetFiles {
		names, rows := readParquet(t, filepath.Join(dir, f.name+".parquet"))
		var want []string
		for word := range strings.FieldsSeq(f.columns) {
			name, _, _ := strings.Cut(word, ":")
			want = append(want, name)
		}
		same(t, f.name+": columns in order", names, want)
		same(t, f.name+": rows", int64(len(rows)), counts[f.name+".parquet"])
		if len(rows) == 0 {
			t.Errorf("%s: nothing was tried", f.name)
		}
		tables[f.name] = rows
	}
	files, err := os.ReadDir(dir)
	must(t, err)
	same(t, "files", len(files), len(parquetFiles)) // none unfinished

	img := pictureID(100)
	strangeImage := tables["images"][len(tables["images"])-1]
	same(t, "an image", strangeImage, map[string]any{
		"series": "strange", "seq": int64(1), "image": img.String(), "path": "a\ufffd\"\\/b.png",
		"prompt": "a cat\x00,\t\"quoted\" <猫> \u2028\U0001f600\x7f\x1f", "negative": "", "generator": "{}",
		"settings": `{"":"ü","seed":"18446744073709551615"}`, "parents": []any{pictureID(8).String(), pictureID(7).String()},
		"bytes": int64(11), "format": "png", "width": int64(3), "height": int64(2), "mode": "RGB",
		"stored": micros(epoch), "created": micros(epoch),
	})
	first := tables["images"][0]
	same(t, "no settings", first["settings"], nil)
	same(t, "no parents", first["parents"], any([]any{}))
	want, err := db.Readings(ctx, img)
	must(t, err)
	var got []assay.Reading
	for _, r := range tables["readings"] {
		if r["image"] == img.String() {
			same(t, "warnings", r["warnings"], any([]any{"a\nb"}))
			got = append(got, assay.Reading{Image: img, Value: r["value"].(float64), Warnings: []string{"a\nb"}, Created: epoch,
				Identity: assay.Identity{Instrument: r["instrument"].(string), Version: int(r["version"].(int64)), Checkpoint: r["checkpoint"].(string),
					Preparation: r["preparation"].(string), Runtime: r["runtime"].(string), Synthetic: r["synthetic"].(bool)}})
		}
	}
	same(t, "readings", got, want)
	vectors := tables["embeddings"]
	same(t, "a vector", vectors[len(vectors)-1]["vector"], any([]any{float32(0.1), float32(0), float32(3.4028234663852886e38)}))
	same(t, "judgments", len(tables["judgments"]), 4)
	same(t, "one that stands", tables["judgments"][0]["withdrawn"], nil)
	same(t, "one withdrawn", tables["judgments"][1]["withdrawn"], any(micros(epoch)))
	same(t, "places in order", []any{tables["rankings"][0]["place"], tables["rankings"][1]["place"], tables["rankings"][3]["place"]},
		[]any{int64(1), int64(0), nil})
	same(t, "an open triplet", tables["triplets"][1]["odd"], nil)
}

// Every table is in some file, and every file is described.
func TestParquetHasEverything(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "formats.md"))
	must(t, err)
	read := map[string]bool{}
	for _, f := range parquetFiles {
		for _, m := range regexp.MustCompile(`(?:FROM|JOIN) (\w+)`).FindAllStringSubmatch(f.query, -1) {
			read[m[1]] = true
		}
		_, line, ok := strings.Cut(string(page), "\n| `"+f.name+"` |")
		line, _, _ = strings.Cut(line, "\n")
		if !ok {
			t.Errorf("docs/formats.md has no line for %s.parquet", f.name)
		}
		both := strings.NewReplacer(parquetIdentity, " *identity* ", parquetJudge, " *judge* ").Replace(" " + f.columns + " ")
		for word := range strings.FieldsSeq(both) {
			if name, _, _ := strings.Cut(word, ":"); !strings.Contains(line, "`"+name+"`") && !strings.Contains(line, " "+word+" ") {
				t.Errorf("docs/formats.md does not name the column %s of %s.parquet", name, f.name)
			}
		}
	}
	for _, table := range logTables {
		if !read[table] {
			t.Errorf("no file has the rows of %s", table)
		}
	}
}

// More rows than a batch and a row group hold come out in order, and the same each
// time.
func TestParquetManyRows(t *testing.T) {
	ctx := t.Context()
	db := openSQLite(t)
	fill(t, db, "s", 1)
	const n, dim = 500, 16
	m := Measurement{Series: "s", Seq: 1}
	for i := range n {
		id := niqe
		id.Version = i + 1
		vector := make([]float32, dim)
		vector[0], vector[dim-1] = float32(i), 0.5
		m.Embeddings = append(m.Embeddings, assay.Embedding{Identity: id, Image: pictureID(1), Vector: vector})
	}
	must(t, db.Record(ctx, m))
	i := slices.IndexFunc(parquetFiles, func(f parquetFile) bool { return f.name == "embeddings" })
	write := func() []byte {
		out, err := os.CreateTemp(t.TempDir(), "")
		must(t, err)
		defer out.Close()
		tx, err := db.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
		must(t, err)
		defer tx.Rollback()
		got, err := db.writeParquet(ctx, tx, parquetFiles[i], out, parquetSizes{batch: 3000, group: 100_000})
		must(t, err)
		same(t, "rows", got, int64(n))
		data, err := os.ReadFile(out.Name())
		must(t, err)
		return data
	}
	data := write()
	file, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	must(t, err)
	if groups := len(file.RowGroups()); groups < 3 || groups > n/10 {
		t.Errorf("%d row groups; the sizes were made for some", groups)
	}
	vectors, err := parquet.Read[struct {
		Vector []float32 `parquet:"vector,list"`
	}](bytes.NewReader(data), int64(len(data)))
	must(t, err)
	same(t, "vectors", len(vectors), n)
	for i, e := range vectors {
		if len(e.Vector) != dim || e.Vector[0] != float32(i) || e.Vector[dim-1] != 0.5 {
			t.Fatalf("row %d has the vector %v", i, e.Vector)
		}
	}
	if !bytes.Equal(data, write()) {
		t.Error("two exports of the same facts differ")
	}
}

func TestParquetRefused(t *testing.T) {
	db := openSQLite(t)
	fill(t, db, "s", 1)
	_, err := db.ExportParquet(t.Context(), filepath.Join(t.TempDir(), "none"))
	is(t, "no folder", err, assay.ErrUnavailable, "series.parquet")
	for _, row := range []struct {
		kind  string
		value any
	}{{"int", "x"}, {"text", int64(1)}, {"real", []byte{1}}, {"digest", []byte{1}}, {"digests", make([]byte, 33)}, {"texts", "{"}, {"int", nil}} {
		columns, _ := parquetFile{name: "x", columns: "c:" + row.kind}.schema()
		if _, _, err := parquetRow(columns, []any{row.value}); err == nil {
			t.Errorf("%v was taken for a %s", row.value, row.kind)
		} else if !strings.Contains(err.Error(), "column c") {
			t.Error(fmt.Sprint(err))
		}
	}
}
