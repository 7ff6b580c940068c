package judge

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A side is what a word says: for the first of two answers, for the second, for
// both alike, for neither, or nothing that was asked for.
type side int

const (
	nothing side = iota
	yes          // or "first"
	no           // or "second"
	equal        // counts half to each; only where two pictures are compared
	unsure
)

// A lexicon holds the words that answer one kind of question.
type lexicon struct {
	words map[string]side
	ties  bool   // whether "equal" is an answer
	first string // how people read the sides, for reasons
	other string
}

// The words beside those that are demanded are what models say all the same:
// in the picture's or the prompt's language, or in the words of another test.
var yesNo = lexicon{first: "yes", other: "no", words: lexiconOf(
	yes, "yes yeah yep true oui ja sí si sim да 是 是的 はい 예 네",
	no, "no nope false non nein não нет 否 不 不是 いいえ 아니요",
	unsure, "unsure uncertain unclear unknown maybe cannot")}

var firstSecond = lexicon{first: "first", other: "second", ties: true, words: lexiconOf(
	yes, "first 1st 1 one left",
	no, "second 2nd 2 two right",
	equal, "equal equally tie tied same neither",
	unsure, "unsure uncertain unclear unknown cannot")}

func lexiconOf(pairs ...any) map[string]side {
	words := map[string]side{}
	for i := 0; i < len(pairs); i += 2 {
		for _, w := range strings.Fields(pairs[i+1].(string)) {
			words[w] = pairs[i].(side)
		}
	}
	return words
}

// normal returns a token or a reply as the lexicon has it: without spaces,
// punctuation and the marks by which tokenizers show where a word begins, in
// lower case.
func normal(s string) string {
	s = strings.TrimSuffix(strings.ReplaceAll(s, "’", "'"), "</w>")
	s = strings.TrimFunc(s, func(r rune) bool {
		return r == 'Ġ' || r == 'Ċ' || !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	return strings.ToLower(s)
}

// isMark reports whether a token only leads up to an answer: white space,
// quotes, bold marks, special tokens, "Answer:".
func isMark(token string) bool {
	t := strings.TrimSpace(token)
	if strings.HasPrefix(t, "<") && strings.HasSuffix(t, ">") {
		return true
	}
	n := normal(token)
	return n == "" || n == "answer"
}

// Beginnings of what models write instead of one word.
var (
	unsurePhrases = []string{
		"unsure", "uncertain", "unclear", "unknown", "not sure", "cannot tell", "can't tell", "can not tell",
		"cannot determine", "can't determine", "cannot be determined", "impossible to tell", "impossible to determine",
		"i cannot tell", "i can't tell", "i can not tell", "i cannot determine", "i can't determine",
		"i am not sure", "i'm not sure", "i am unsure", "i'm unsure", "it is unclear", "it's unclear",
	}
	refusalPhrases = []string{
		"sorry", "i'm sorry", "i am sorry", "i apologize", "i apologise", "i can't", "i cannot", "i can not", "i won't",
		"i'm unable", "i am unable", "i'm not able", "i am not able", "unable to", "as an ai",
	}
)

// read returns the side that a reply's text takes, and whether it refuses. A
// reply of one word is read, and one that goes on after a stop. "No face can be
// seen" says nothing: its first word is no answer.
func (l lexicon) read(text string) (s side, refused bool) {
	t := strings.TrimLeftFunc(strings.ReplaceAll(stripFence(text), "’", "'"), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	if rest, ok := cutFold(t, "answer"); ok && strings.HasPrefix(rest, ":") {
		t = strings.TrimLeftFunc(rest, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	}
	if w, ok := l.words[normal(t)]; ok {
		return w, false
	}
	if hasPhrase(t, unsurePhrases) {
		return unsure, false
	}
	if hasPhrase(t, refusalPhrases) {
		return nothing, true
	}
	end := strings.IndexFunc(t, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\'' })
	if end <= 0 {
		return nothing, false
	}
	word, rest := t[:end], strings.TrimLeft(t[end:], "*\"'_`”»)")
	if next, _ := utf8.DecodeRuneInString(strings.TrimPrefix(rest, " ")); rest != "" && !strings.ContainsRune(".,;:!—–-\n", next) {
		return nothing, false
	}
	s = l.words[normal(word)]
	if again := l.words[normal(rest)]; again != nothing && again != s {
		return nothing, false // "Yes. No."
	}
	return s, false
}

func hasPhrase(t string, phrases []string) bool {
	for _, p := range phrases {
		if rest, ok := cutFold(t, p); ok {
			if next, _ := utf8.DecodeRuneInString(rest); rest == "" || !unicode.IsLetter(next) {
				return true
			}
		}
	}
	return false
}

func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// stripFence returns text without a Markdown code fence around it.
func stripFence(text string) string {
	t := strings.TrimSpace(text)
	if !strings.HasPrefix(t, "```") {
		return t
	}
	t = strings.TrimPrefix(t, "```")
	// The fence's first line may name a language; one-line fences have none.
	if first, rest, ok := strings.Cut(t, "\n"); ok && !strings.ContainsAny(first, "{}[]") {
		if len(strings.Fields(first)) <= 1 {
			t = rest
		}
	}
	return strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(t), "```"))
}
