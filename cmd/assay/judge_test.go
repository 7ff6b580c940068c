package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gen-emerge/assay"
	"github.com/gen-emerge/assay/judge"
	"github.com/gen-emerge/assay/judge/judgetest"
	"github.com/gen-emerge/assay/store"
)

// A rated is what people said of the pictures of five text-to-image models.
type rated struct {
	names   []string                      // "midjourney/p01"
	files   map[string]string             // by name
	prompts map[string]string             // by name
	mean    map[string]map[string]float64 // by kind of rating and name, standardised
	appeal  map[string]map[string]float64 // by rater and name, as given
}

// readRated reads the first test of the AVT data set: 27 people, three questions.
func readRated(t *testing.T, data string) rated {
	t.Helper()
	dir := filepath.Join(data, "human/avt_ai_images")
	r := rated{files: map[string]string{}, prompts: map[string]string{}, mean: map[string]map[string]float64{}, appeal: map[string]map[string]float64{}}
	prompts := map[string]string{}
	for _, row := range readCSV(t, filepath.Join(dir, "images__prompts.csv"))[1:] {
		prompts[row[0]] = row[1]
	}
	sum, count := map[string]map[string]float64{}, map[string]map[string]float64{}
	for _, row := range readCSV(t, filepath.Join(dir, "evaluation__subjective__2022_12_02___ratings.csv"))[1:] {
		kind, isRange := strings.CutPrefix(row[3], "range_")
		name := strings.TrimSuffix(strings.TrimPrefix(row[2], "./stimuli/"), ".png")
		value, err := strconv.ParseFloat(row[4], 64)
		if !isRange || err != nil || strings.HasPrefix(name, "own/") {
			continue
		}
		file := filepath.Join(dir, "images_384", name+".jpg")
		if _, err := os.Stat(file); err != nil {
			continue
		}
		r.files[name], r.prompts[name] = file, prompts[filepath.Base(name)]
		if sum[kind] == nil {
			sum[kind], count[kind] = map[string]float64{}, map[string]float64{}
		}
		sum[kind][name] += value
		count[kind][name]++
		if kind == "image_appeal" {
			if r.appeal[row[0]] == nil {
				r.appeal[row[0]] = map[string]float64{}
			}
			r.appeal[row[0]][name] = value
		}
	}
	for name := range r.files {
		r.names = append(r.names, name)
	}
	slices.Sort(r.names)
	for kind, s := range sum {
		r.mean[kind] = map[string]float64{}
		var m, v float64
		for _, name := range r.names {
			m += s[name] / count[kind][name] / float64(len(r.names))
		}
		for _, name := range r.names {
			v += math.Pow(s[name]/count[kind][name]-m, 2) / float64(len(r.names))
		}
		for _, name := range r.names {
			r.mean[kind][name] = (s[name]/count[kind][name] - m) / math.Sqrt(v)
		}
	}
	return r
}

func readCSV(t *testing.T, file string) [][]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// rules answer as the people did, with the stated noise.
func (r rated) rules(t *testing.T) []judgetest.Rule {
	t.Helper()
	known, twins := map[string]assay.Question{}, map[string]string{}
	set := judge.DefaultSet().Questions()
	byID := map[string]assay.Question{}
	for _, q := range set {
		known[q.Text], byID[q.ID] = q, q
	}
	for _, q := range set {
		if q.TwinOf != "" {
			twins[q.Text] = byID[q.TwinOf].Text
		}
	}
	content := judgetest.ContentAware(judgetest.Content{
		Yes: func(q judgetest.Query) (bool, bool) {
			name := q.Name(0)
			text := strings.TrimPrefix(q.Question, "Question: ")
			kind := "image_appeal"
			x, inSet := known[text]
			if x.Dimension == "alignment" || strings.HasPrefix(text, "Does the picture show") {
				kind = "prompt_matching"
			}
			z, rated := r.mean[kind][name]
			if !rated || !inSet && kind == "image_appeal" {
				return false, false
			}
			if x.Kind == "presence" {
				return true, true
			}
			good := z > 1.5*(judgetest.Draw(7, text)-0.7)
			return good == (x.Good != assay.NoIsGood), true
		},
		Twins: twins, Quality: r.mean["image_appeal"], Slope: 2.5, Noise: 1, Accuracy: 0.85, Bias: 0.8,
	})
	cards := judgetest.ContentAware(judgetest.Content{Yes: judgetest.Known(cardTruth())})
	return slices.Concat([]judgetest.Rule{judgetest.Texts(regexp.MustCompile(`(?s)^Prompt:\n<<<`), takenApart)}, cards, content)
}

// cardName names what a card shows.
func cardName(c judge.Card) string {
	var names []string
	for _, p := range c.Pictures {
		names = append(names, p.Digest.String())
	}
	return strings.Join(names, "+")
}

// cardTruth is what the control cards show.
func cardTruth() map[string]map[string]bool {
	truth := map[string]map[string]bool{}
	for _, c := range judge.Cards() {
		name := cardName(c)
		if truth[name] == nil {
			truth[name] = map[string]bool{}
		}
		truth[name][c.Question.Text] = c.Question.Expect == "yes"
	}
	return truth
}

// registerCards makes the control cards known to the stand-in.
func registerCards(t *testing.T, s *judgetest.Server) {
	t.Helper()
	have := map[assay.Digest]bool{}
	for _, c := range judge.Cards() {
		for _, p := range c.Pictures {
			if have[p.Digest] {
				continue
			}
			have[p.Digest] = true
			if err := s.Register(p.Digest.String(), p.Data); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// takenApart names each longer word of a prompt as a thing.
func takenApart(q judgetest.Query) (judgetest.Answer, bool) {
	_, rest, _ := strings.Cut(q.Text(), "<<<\n")
	prompt, _, _ := strings.Cut(rest, "\n>>>")
	type item struct {
		ID     int    `json:"id"`
		Kind   string `json:"kind"`
		Phrase string `json:"phrase"`
		Needs  []int  `json:"needs"`
	}
	items := []item{}
	for word := range strings.FieldsFuncSeq(prompt, func(r rune) bool { return strings.ContainsRune(" ,.;:()\"'", r) }) {
		if len(word) > 3 {
			items = append(items, item{len(items) + 1, "entity", word, []int{}})
		}
	}
	return judgetest.Object(map[string]any{"items": items}), true
}

// people enters what raters preferred among pictures of one prompt.
func (r rated) people(t *testing.T, dir string, ids map[string]assay.Digest, pairs int) {
	t.Helper()
	db, err := store.Open(t.Context(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	lot := rand.New(rand.NewPCG(3, 4))
	raters := slices.Sorted(keysOf(r.appeal))
	for n := 0; n < pairs; {
		a, b, rater := r.names[lot.IntN(len(r.names))], r.names[lot.IntN(len(r.names))], raters[lot.IntN(len(raters))]
		x, okA := r.appeal[rater][a]
		y, okB := r.appeal[rater][b]
		if a == b || !okA || !okB || x == y || r.prompts[a] != r.prompts[b] {
			continue
		}
		j := assay.Judgment{Series: "main", Rater: "rater" + rater, Source: "human", Left: ids[a], Right: ids[b], Outcome: assay.Left, Grade: -1}
		if y > x {
			j.Outcome, j.Grade = assay.Right, 1
		}
		if _, err := db.PutJudgment(t.Context(), j); err != nil {
			t.Fatal(err)
		}
		n++
	}
}

func keysOf[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// TestJudgesOfRealPictures runs the whole of layer two over real pictures, with a
// judge who answers as 27 people did, and kills it at random moments ten times:
// each call is paid once, and the archive follows.
func TestJudgesOfRealPictures(t *testing.T) {
	data := needData(t)
	r := readRated(t, data)
	if len(r.names) < 134 {
		t.Fatalf("%d rated pictures, want 134 or more", len(r.names))
	}
	server := judgetest.Start(t, judgetest.Options{Seed: 5, Rules: r.rules(t)})
	registerCards(t, server)
	prog, dir := buildBinary(t), t.TempDir()
	manifest := filepath.Join(dir, "rated.jsonl")
	var lines strings.Builder
	ids := map[string]assay.Digest{}
	for _, name := range r.names {
		bytes, err := os.ReadFile(r.files[name])
		if err != nil {
			t.Fatal(err)
		}
		ids[name] = assay.DigestOf(bytes)
		if err := server.Register(name, bytes); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&lines, "{\"path\": %q, \"prompt\": %q}\n", r.files[name], r.prompts[name])
	}
	write(t, manifest, lines.String())
	write(t, filepath.Join(dir, judgesFile), fmt.Sprintf("judges:\n  - name: stand-in\n    api: openai\n    url: %s\n    model: people-1\n"+
		"    concurrency: 16\n    limits: {long-edge: 128}\n    price: {in: 1, out: 2}\n", server.URL("openai")))
	prog.run(t, "init", dir)
	prog.run(t, "add", "--dir", dir, "--manifest", manifest, "--axis", "warmth:-20:35:4", "--axis", "edge-density:0:0.5:4")
	r.people(t, dir, ids, 120)

	// Also what the gates refused is asked about: all of it is drawn.
	run := []string{"judge", "run", "--dir", dir, "-o", "jsonl", "--parallel", "16", "--audit-share", "1"}
	audit := prog.run(t, "judge", "audit", "--dir", dir, "--json")
	checkAudit(t, audit)
	lot := rand.New(rand.NewPCG(8, 9))
	killed := 0
	for try := 0; try < 10; try++ {
		wait := time.Duration(200+lot.IntN(1500)) * time.Millisecond
		if prog.runAndKill(t, func(<-chan struct{}) { time.Sleep(wait) }, run...) {
			killed++
		}
	}
	told := prog.run(t, run...)
	t.Logf("killed %d times of 10; the last run told %d things", killed, strings.Count(string(told), "\n"))
	checkPaid(t, prog, dir, server)
	before := server.Stats().Requests
	if again := prog.run(t, run...); len(again) > 0 {
		t.Errorf("a run with nothing left to ask tells\n%.500s", again)
	}
	if after := server.Stats().Requests; after != before {
		t.Errorf("it sent %d requests", after-before)
	}
	checkJudged(t, dir, len(r.names))
	checkArchive(t, prog, dir)
}

// checkArchive: judges who passed their examination replaced elites, each with a
// probability of at least tau.
func checkArchive(t *testing.T, prog binary, dir string) {
	t.Helper()
	var a struct {
		Stats struct{ Replacements int }
		Cells []struct {
			History []struct {
				Kind      string
				Trials    int // comparisons by people
				Posterior float64
			}
		}
	}
	if err := json.Unmarshal(prog.run(t, "archive", "--dir", dir, "--json"), &a); err != nil {
		t.Fatal(err)
	}
	byJudge := 0
	for _, c := range a.Cells {
		for _, e := range c.History {
			if e.Kind != "improved" {
				continue
			}
			if e.Posterior < 0.75-1e-9 {
				t.Errorf("an elite was replaced at %g", e.Posterior)
			}
			if e.Trials == 0 {
				byJudge++
			}
		}
	}
	t.Logf("%d replacements, %d of them by the judge alone", a.Stats.Replacements, byJudge)
	if byJudge == 0 {
		t.Error("the judge replaced no elite")
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func checkAudit(t *testing.T, out []byte) {
	t.Helper()
	var reports []struct{ Trust assay.Trust }
	if err := json.Unmarshal(out, &reports); err != nil || len(reports) != 1 {
		t.Fatalf("%v in %s", err, out)
	}
	trust := reports[0].Trust
	t.Logf("accuracy against people %.3f, %.3f to %.3f, of %d pairs; %v", trust.Accuracy, trust.Low, trust.High, trust.Pairs, trust.Reasons)
	if !trust.Fit || trust.Source != "people" || trust.Pairs < 20 || trust.Accuracy < 0.6 {
		t.Errorf("trust %+v", trust)
	}
}

// checkPaid compares what the server was paid for with what the workspace knows.
func checkPaid(t *testing.T, prog binary, dir string, server *judgetest.Server) {
	t.Helper()
	paid := 0
	for _, p := range server.Ledger() {
		paid += p.Times
		if p.Times != 1 {
			t.Errorf("call %s (%s) was paid %d times", p.Key, p.Question, p.Times)
		}
	}
	var calls struct {
		Spent   assay.Spending
		InDoubt []assay.Call `json:"in_doubt"`
	}
	if err := json.Unmarshal(prog.run(t, "judge", "calls", "--dir", dir, "--json"), &calls); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d calls paid, %d replays after kills", paid, server.Stats().Replays)
	if int64(paid) != calls.Spent.Calls || len(calls.InDoubt) > 0 {
		t.Errorf("%d paid at the server; in the workspace %+v, %d in doubt", paid, calls.Spent, len(calls.InDoubt))
	}
}

// checkJudged looks at what layer two left behind.
func checkJudged(t *testing.T, dir string, images int) {
	t.Helper()
	db, err := store.Open(t.Context(), dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	asked, void := map[assay.Digest]int{}, 0
	err = db.SeriesAnswers(t.Context(), "main", func(_ int64, a assay.Answer) error {
		asked[a.Image]++
		if a.Void != "" {
			void++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	fewest, total := math.MaxInt, 0
	for _, n := range asked {
		fewest, total = min(fewest, n), total+n
	}
	comparisons, err := db.Comparisons(context.Background(), "main")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d images of %d judged, %d answers, at least %d each, %d void; %d comparisons", len(asked), images, total, fewest, void, len(comparisons))
	if len(asked) != images || fewest < 50 || len(comparisons) == 0 {
		t.Errorf("too little was judged")
	}
}
