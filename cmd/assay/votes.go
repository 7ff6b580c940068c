package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/rank"
	"github.com/gen-emerge/assay/series"
	"github.com/gen-emerge/assay/store"
)

func newExportVotes(w world) *cobra.Command {
	var f seriesFlags
	var by, format string
	c := &cobra.Command{
		Use:   "votes [FILE]",
		Short: "Write the judgments of a series as votes",
		Long: `Votes writes the standing judgments of a series to FILE or standard output, as the
CSV that ` + "`assay rank --from`" + ` and ` + "`assay import votes`" + ` read. Images are named by
their SHA-256. --format writes the files of other programs; votes that a format
has no word for, such as a tie in pwcmp, are told and left out.`,
		Example: "  assay export votes votes.csv\n  assay export votes --format arena arena.jsonl\n  assay export votes --by all | assay rank --from -",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if !slices.Contains([]string{"people", "models", "all"}, by) {
				return usage("--by %s: want people, models or all", by)
			}
			if !slices.Contains(rank.VoteFormats(), format) {
				return usage("--format %s: want one of %s", format, strings.Join(rank.VoteFormats(), ", "))
			}
			db, err := openStore(c.Context(), f.dir, logger(c, w))
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, db.Close()) }()
			if err := f.mustExist(c.Context(), db); err != nil {
				return err
			}
			ballots, err := standingVotes(c.Context(), db, f.series, by)
			if err != nil {
				return err
			}
			kept := sayable(w, format, ballots)
			if err := writeTo(w, args, func(out io.Writer) error { return rank.WriteVotesAs(out, format, kept) }); err != nil {
				return err
			}
			fmt.Fprintf(w.err, "%d votes\n", len(kept))
			if len(kept) < len(ballots) {
				return errPartial
			}
			return nil
		},
	}
	f.register(c)
	c.Flags().StringVar(&by, "by", "people", "whose judgments: people, models or `all`")
	c.Flags().StringVar(&format, "format", "csv", "the `FORM` of the file: "+strings.Join(rank.VoteFormats(), ", "))
	lineOnly(c, "by", "format")
	return c
}

// sayable leaves out what the format cannot say, and tells it.
func sayable(w world, format string, ballots []rank.Ballot) []rank.Ballot {
	var kept []rank.Ballot
	for _, b := range ballots {
		if err := rank.WriteVotesAs(io.Discard, format, []rank.Ballot{b}); err != nil {
			fmt.Fprintf(w.err, "left out: %v\n", err)
			continue
		}
		kept = append(kept, b)
	}
	return kept
}

// standingVotes returns the judgments of a series that were not withdrawn.
func standingVotes(ctx context.Context, db *store.DB, name, by string) ([]rank.Ballot, error) {
	judgments, err := db.Judgments(ctx, name)
	if err != nil {
		return nil, err
	}
	var ballots []rank.Ballot
	for _, j := range judgments {
		if person := j.Source == "human"; j.Withdrawn || by == "people" && !person || by == "models" && person {
			continue
		}
		ballots = append(ballots, series.BallotOf(j))
	}
	return ballots, nil
}

type importVotesFlags struct {
	seriesFlags
	rater, source string
	again         bool
}

func newImportVotes(w world) *cobra.Command {
	var f importVotesFlags
	c := &cobra.Command{
		Use:   "votes FILE",
		Short: "Take judgments that were given elsewhere into a series",
		Long: `Votes reads votes (- is standard input) in the forms that ` + "`assay rank --from`" + ` reads
and appends them to a series as judgments, all at once or not at all. Items are
images of the series: a SHA-256 or the beginning of one (8 digits at least), the
path under which the image was added, its file's name, or that without its ending.
Rows that cannot be read, or name what is no one image, are told and left out.

Times and grades are kept; a vote without a grade has the smaller one of its side.
A weight other than 1 is refused; rounds and confidences are not kept. A file is taken once; --again takes it once more.`,
		Example: `  assay import votes arena.jsonl
  assay import votes votes.csv --rater anna
  assay import votes model.csv --rater qwen --source vlm:qwen2.5-vl`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if model, ok := strings.CutPrefix(f.source, "vlm:"); f.source != "human" && (!ok || model == "") {
				return usage("--source %s: want human or vlm:MODEL", f.source)
			}
			db, err := openStore(c.Context(), f.dir, logger(c, w))
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, db.Close()) }()
			if err := f.mustExist(c.Context(), db); err != nil {
				return err
			}
			unlock, err := db.Lock(c.Context(), f.wait)
			if err != nil {
				return err
			}
			defer unlock()
			return f.run(c.Context(), w, db, args[0])
		},
	}
	f.register(c)
	flags := c.Flags()
	flags.StringVar(&f.rater, "rater", "", "the `NAME` of who judged, for votes that do not say")
	flags.StringVar(&f.source, "source", "human", "who judged: human, or vlm:`MODEL`")
	flags.BoolVar(&f.again, "again", false, "take a file that was taken before")
	flags.DurationVar(&f.wait, "wait", 10*time.Second, "how long to wait while another process writes to the workspace")
	lineOnly(c, "source", "again")
	return c
}

// importNote is the body of the note that says where judgments came from.
type importNote struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
	Votes  int    `json:"votes"`
	Left   int    `json:"left_out"`
}

func (f *importVotesFlags) run(ctx context.Context, w world, db *store.DB, path string) error {
	var ballots []rank.Ballot
	var bad []error
	whole := sha256.New()
	name := path
	if path == "-" {
		name = "standard input"
	}
	err := readFrom(w, path, func(in io.Reader) (err error) {
		in = io.TeeReader(in, whole)
		if ballots, bad, err = rank.ReadVotes(in, filepath.Base(name)); err == nil {
			_, err = io.Copy(io.Discard, in) // for the digest
		}
		return err
	})
	if err != nil {
		return err
	}
	about := importNote{File: filepath.Base(name), SHA256: hex.EncodeToString(whole.Sum(nil))}
	if err := f.notTaken(ctx, db, about); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	images, err := namedImages(ctx, db, f.series)
	if err != nil {
		return err
	}
	var judgments []assay.Judgment
	for i, b := range ballots {
		j, err := f.judgment(ctx, images, b)
		if err != nil {
			bad = append(bad, fmt.Errorf("%s: vote %d: %w", name, i+1, err))
			continue
		}
		judgments = append(judgments, j)
	}
	for _, b := range bad {
		fmt.Fprintln(w.err, b)
	}
	if slices.ContainsFunc(ballots, func(b rank.Ballot) bool { return b.Confidence != 0 }) {
		fmt.Fprintf(w.err, "%s: confidences are not kept: a judgment has none\n", name)
	}
	if len(judgments) == 0 {
		return fmt.Errorf("%s: no vote is of two images of series %q: %w", name, f.series, assay.ErrInvalid)
	}
	about.Votes, about.Left = len(judgments), len(bad)
	body, err := json.Marshal(about)
	if err != nil {
		return err
	}
	from := assay.Note{Series: f.series, Judge: assay.Judge{Name: "import"}, Kind: "import", Body: body}
	if err := db.PutJudgments(ctx, judgments, from); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	fmt.Fprintf(w.out, "%d judgments taken into series %s, %d rows left out\n", len(judgments), f.series, len(bad))
	if len(bad) > 0 {
		return errPartial
	}
	return nil
}

// notTaken refuses a file whose votes are in the series already.
func (f *importVotesFlags) notTaken(ctx context.Context, db *store.DB, about importNote) error {
	notes, err := db.Notes(ctx, f.series, assay.Digest{}, "import")
	if err != nil {
		return err
	}
	for _, n := range notes {
		var before importNote
		if err := json.Unmarshal(n.Body, &before); err == nil && before.SHA256 == about.SHA256 && !f.again {
			return fmt.Errorf("its votes were taken on %s (as %s); --again takes them once more: %w",
				n.Created.Format(time.DateTime), before.File, assay.ErrConflict)
		}
	}
	return nil
}

// judgment turns a vote into a judgment of the series.
func (f *importVotesFlags) judgment(ctx context.Context, images *imageNames, b rank.Ballot) (j assay.Judgment, err error) {
	j = assay.Judgment{Series: f.series, Rater: b.Rater, Source: f.source, Outcome: b.Outcome, Grade: b.Grade, Created: b.Time}
	switch {
	case b.Weight != 0 && b.Weight != 1:
		return j, fmt.Errorf("weight %g: a judgment counts once; write it as that many votes: %w", b.Weight, assay.ErrInvalid)
	case !b.Time.IsZero() && b.Time.UnixMicro() <= 0:
		return j, fmt.Errorf("time %s: judgments have times after 1970: %w", b.Time.Format(time.RFC3339), assay.ErrInvalid)
	case j.Rater == "" && f.rater == "":
		return j, fmt.Errorf("does not say who judged; name them with --rater: %w", assay.ErrInvalid)
	case j.Rater == "":
		j.Rater = f.rater
	}
	if j.Left, err = images.find(ctx, b.Left); err != nil {
		return j, err
	}
	if j.Right, err = images.find(ctx, b.Right); err != nil {
		return j, err
	}
	if j.Left == j.Right {
		return j, fmt.Errorf("%q and %q are the same image: %w", b.Left, b.Right, assay.ErrInvalid)
	}
	switch { // better, and not told by how much
	case j.Grade == 0 && j.Outcome == assay.Left:
		j.Grade = -1
	case j.Grade == 0 && j.Outcome == assay.Right:
		j.Grade = 1
	}
	return j, nil
}

// leastDigits is how many digits of a digest a vote must have: shorter ones are
// words too easily, such as "face".
const leastDigits = 8

// imageNames finds the images of a series by what people call them.
type imageNames struct {
	db     *store.DB
	series string
	names  [3]map[string][]assay.Digest // by path, file name, file name without ending
	cache  map[string]assay.Digest
}

func namedImages(ctx context.Context, db *store.DB, series string) (*imageNames, error) {
	entries, err := db.Entries(ctx, series, 0, 0)
	if err != nil {
		return nil, err
	}
	n := &imageNames{db: db, series: series, cache: map[string]assay.Digest{}}
	for i := range n.names {
		n.names[i] = map[string][]assay.Digest{}
	}
	for _, e := range entries {
		n.cache[e.Image.String()] = e.Image
		if e.Path == "" {
			continue
		}
		base := e.Path[strings.LastIndexAny(e.Path, `/\`)+1:]
		for i, name := range []string{e.Path, base, strings.TrimSuffix(base, filepath.Ext(base))} {
			n.names[i][name] = append(n.names[i][name], e.Image)
		}
	}
	return n, nil
}

// find returns the one image that is called name: the closest kind of name decides.
func (n *imageNames) find(ctx context.Context, name string) (assay.Digest, error) {
	if id, ok := n.cache[name]; ok {
		return id, nil
	}
	id, err := n.look(ctx, name)
	if err == nil {
		n.cache[name] = id
	}
	return id, err
}

func (n *imageNames) look(ctx context.Context, name string) (assay.Digest, error) {
	for _, names := range n.names {
		switch found := names[name]; {
		case len(found) == 1:
			return found[0], nil
		case len(found) > 1:
			return assay.Digest{}, fmt.Errorf("%q could be any of %d images of series %q; name it by its path or digest: %w",
				name, len(found), n.series, assay.ErrInvalid)
		}
	}
	if len(name) >= leastDigits && strings.Trim(strings.ToLower(name), "0123456789abcdef") == "" {
		return n.db.FindImage(ctx, n.series, name)
	}
	return assay.Digest{}, fmt.Errorf("%q is no image of series %q: %w", name, n.series, assay.ErrNotFound)
}
