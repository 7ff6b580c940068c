package judge

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
	"unicode"
)

// wordSet makes a set of the stems of words.
func wordSet(text string) map[string]bool {
	set := map[string]bool{}
	for w := range strings.FieldsSeq(text) {
		set[stemOf(w)] = true
	}
	return set
}

var (
	// functionWords carry no content of their own in an English prompt; "behind" and
	// "under" do, and are not among them. Prompts in other languages keep theirs, and
	// are covered a little less for it.
	functionWords = wordSet(`a an the this that these those some any one its his her their our my your and or but nor so as at by for
from in into of off on onto out over to up upon with within about after along amid among before beyond down during next past through
until
is are was were be been being am do does did has have had having can could may might must shall should will would it he she they them
we i you who whom whose which what where when while there here not no very quite just only also both each every all other another such
than then too own same like made make making show shows showing shown depict depicts depicting depicted featuring feature features
picture image s`)

	// boilerplate is what prompts say to generators and nobody can see.
	boilerplate = wordSet(`masterpiece best quality high highest highly ultra detailed intricate resolution hd uhd hdr 4k 8k 16k 2k
award winning trending artstation deviantart realistic hyperrealistic photorealistic professional stunning beautiful amazing perfect
sharp focus render rendered rendering octane unreal engine raw cfg steps seed ar`)

	// carriers may stand in a phrase about style or mood although the prompt does
	// not say them.
	carriers = wordSet(`style mood look light lighting atmosphere colour colours color colors palette painting feeling`)

	// countWords say a number beside digits and numberWords.
	countWords = wordSet(`one two three four five six seven eight nine ten eleven twelve single pair couple trio dozen`)

	// numberWords make digits and words the same.
	numberWords = map[string]string{"1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six", "7": "seven", "8": "eight",
		"9": "nine", "10": "ten", "11": "eleven", "12": "twelve"}
)

// networkTags are "<lora:name:0.8>" and the like; weights are what stands behind
// the colon in "(word:1.2)".
var (
	networkTags = regexp.MustCompile(`<[a-zA-Z]+:[^<>]*>`)
	weightTags  = regexp.MustCompile(`:[ ]*[0-9]*\.?[0-9]+[ ]*\)`)
	flagTags    = regexp.MustCompile(`(^|\s)--[a-z]+( [0-9.:]+)?`)
)

// contentWords returns the words of a text that name something to be seen, in
// order, in lower case. Of scripts without spaces, each character is a word.
func contentWords(text string) []string {
	text = networkTags.ReplaceAllString(text, " ")
	text = weightTags.ReplaceAllString(text, ")")
	text = flagTags.ReplaceAllString(text, " ")
	var out []string
	for _, w := range splitWords(text) {
		if stem := stemOf(w); stem != "" && !functionWords[stem] && !boilerplate[stem] {
			out = append(out, w)
		}
	}
	return out
}

// stemsOf returns the stems of all words of a text, those without content too.
func stemsOf(text string) map[string]bool {
	stems := map[string]bool{}
	for _, w := range splitWords(text) {
		stems[stemOf(w)] = true
	}
	return stems
}

func isWordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// splitWords returns the words of a text in lower case.
func splitWords(text string) []string {
	var out []string
	var word []rune
	flush := func() {
		if len(word) > 0 {
			out = append(out, string(word))
			word = word[:0]
		}
	}
	for _, r := range strings.ToLower(strings.ReplaceAll(text, "’", "'")) {
		switch {
		case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar):
			flush()
			out = append(out, string(r))
		case isWordRune(r) || unicode.IsMark(r) && len(word) > 0 || r == '\'' && len(word) > 0:
			word = append(word, r)
		default:
			flush()
		}
	}
	flush()
	return out
}

// stemOf returns a word without its ending, roughly: "running", "runs" and "run"
// have one stem. It only has to find the prompt's words again.
func stemOf(word string) string {
	w := strings.TrimRight(strings.TrimSuffix(strings.ToLower(word), "'s"), "'")
	if n, ok := numberWords[w]; ok {
		w = n
	}
	cut := func(suffix string, least int) bool {
		if len(w) >= least && strings.HasSuffix(w, suffix) {
			w = w[:len(w)-len(suffix)]
			return true
		}
		return false
	}
	switch {
	case cut("ies", 5):
		return w + "i"
	case strings.HasSuffix(w, "ss") || strings.HasSuffix(w, "us"):
		return w
	default:
		cut("s", 4)
	}
	if cut("ing", 6) || cut("ed", 5) {
		if n := len(w); n > 2 && w[n-1] < 0x80 && w[n-1] == w[n-2] && !strings.ContainsRune("aeioulsz", rune(w[n-1])) {
			w = w[:n-1]
		}
	}
	cut("e", 4)
	if len(w) > 3 && w[len(w)-1] == 'y' {
		w = w[:len(w)-1] + "i"
	}
	return w
}

// slug makes a part of an id of a phrase. Phrases that differ only in their
// article, case and punctuation have the same.
func slug(phrase string) string {
	words := splitWords(strings.ReplaceAll(phrase, "'", ""))
	if len(words) > 1 && (words[0] == "a" || words[0] == "an" || words[0] == "the") {
		words = words[1:]
	}
	s := strings.Join(words, "-")
	if len(s) <= 60 {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return strings.ToValidUTF8(s[:50], "") + "-" + hex.EncodeToString(sum[:4])
}
