package token

import (
	"html"
	"strings"
	"testing"
)

// TestClean has what the golden strings have too, but readable. The right column is
// what the reference gives.
func TestClean(t *testing.T) {
	for _, test := range []struct{ text, openai, huggingface string }{
		{"  Two\t\nWords ", "two words", " two words "},
		{"ΟΔΥΣΣΕΥΣ ΣΑΣ' Σ", "οδυσσευς σας' σ", "οδυσσευσ σασ' σ"},
		{"İSTANBUL", "i̇stanbul", "i̇stanbul"},
		{"e\u0301", "é", "é"},
		{"rÃ©sumÃ©", "résumé", "rã©sumã©"},
		{"ÃƒÂ© twice", "é twice", "ãƒâ© twice"},
		{"voilÃ  le travail", "voilà le travail", "voilã le travail"},
		{"â€œlikeâ€� this", "\"like� this", "â€œlikeâ€� this"},
		{"âœ” No problems", "✔ no problems", "âœ” no problems"},
		{"&macr;\\_(ã\u0083\u0084)_/&macr;", "¯\\_(ツ)_/¯", "&macr;\\_(ã\u0083\u0084)_/&macr;"},
		{"Broken text&hellip; it&#x2019;s ﬂubberiﬁc!", "broken text… it's flubberific!", "broken text&hellip; it&#x2019;s ﬂubberiﬁc!"},
		{"P&EACUTE;REZ", "pérez", "p&eacute;rez"},
		{"1 < 2 &EACUTE;", "1 < 2 &eacute;", "1 < 2 &eacute;"}, // with a "<", capitals are left alone
		{"\x1b[36;44mblue\x1b[0m", "blue", "\x1b[36;44mblue\x1b[0m"},
		{"a\x00b\ufeff\u206ac", "abc", "a\x00b\ufeff\u206ac"},
		{"ＬＯＵＤ　ＮＯＩＳＥＳ", "loud noises", "ｌｏｕｄ ｎｏｉｓｅｓ"},
	} {
		if got := Clean(test.text, OpenAI); got != test.openai {
			t.Errorf("Clean(%q, OpenAI) = %q, want %q", test.text, got, test.openai)
		}
		if got := Clean(test.text, OpenCLIP); got != test.openai {
			t.Errorf("Clean(%q, OpenCLIP) = %q, want %q", test.text, got, test.openai)
		}
		if got := Clean(test.text, HuggingFace); got != test.huggingface {
			t.Errorf("Clean(%q, HuggingFace) = %q, want %q", test.text, got, test.huggingface)
		}
	}
}

// TestUnescape has cases of Python's html.unescape, most of which Go's
// html.UnescapeString reads otherwise.
func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{
		"&amp;": "&", "&amp": "&", "&ampx": "&x", "&notit;": "¬it;", "&notin;": "∉", "&nosuch;": "&nosuch;",
		"&#65;&#65&#x41;&#X41": "AAAA", "&#0;": "\ufffd", "&#x80;": "€", "&#x81;": "\u0081", "&#xD800;": "\ufffd",
		"&#x110000;": "\ufffd", "&#99999999999999999999;": "\ufffd", "&#1;": "", "&#xFFFE;": "", "&#xFDD0;": "", "&#13;": "\r",
		"&#;": "&#;", "&#x;": "&#x;", "&;": "&;", "&": "&", "&&amp;": "&&", "&ltfoo bar": "<foo bar", "&NotNestedGreaterGreater;": "⪢̸",
	} {
		if got := string(unescape([]rune(in))); got != want {
			t.Errorf("unescape(%q) = %q, want %q", in, got, want)
		}
	}
	for name, v := range table().entity {
		if got := string(unescape([]rune("&" + name))); got != v {
			t.Errorf("unescape(&%s) = %q, want %q", name, got, v)
		}
		if name == "nGt;" || name == "nLt;" {
			continue // Go's list lacks the two
		}
		if strings.HasSuffix(name, ";") && html.UnescapeString("&"+name) != v {
			t.Errorf("&%s is %q here and %q in Go", name, v, html.UnescapeString("&"+name))
		}
	}
}

func TestWords(t *testing.T) {
	for _, test := range []struct {
		text string
		v    Variant
		want string
	}{
		{"you should've done this", OpenAI, "you|should|'ve|done|this"},
		{"it's 2023!!'s", OpenAI, "it|'s|2|0|2|3|!!'|s"},
		{"'ſ ''s 'save", OpenAI, "'ſ|''|s|'s|ave"},
		{"'ſ", HuggingFace, "'|ſ"},
		{"<|startoftext|>!!", OpenAI, "<|startoftext|>|!!"},
		{"!<|startoftext|>", OpenAI, "!<||startoftext||>"},
		{"<|ſtartoftext|>", OpenAI, "<|ſtartoftext|>"},
		{"<|startoftext|>!", HuggingFace, "<||startoftext||>|!"},
		{"<|startoftext|>!", OpenCLIP, "<||startoftext||>!"},
		{"<start_of_text>!", OpenCLIP, "<start_of_text>|!"},
		{"a\u0345b\u0345!", OpenAI, "a|b|!"},
		{"a\u0345!", HuggingFace, "a|\u0345!"},
		{"x²+y", OpenAI, "x|²|+|y"},
		{"", OpenAI, ""},
	} {
		var got []string
		for w := range words([]rune(test.text), test.v) {
			got = append(got, string(w))
		}
		if strings.Join(got, "|") != test.want {
			t.Errorf("words(%q, %s) = %q, want %q", test.text, test.v, strings.Join(got, "|"), test.want)
		}
	}
}

// TestMarks: a run of marks is sorted whole, with nothing put into it.
func TestMarks(t *testing.T) {
	text := "a" + strings.Repeat("\u0301\u0323", 50)
	got := string(nfc([]rune(text), OpenAI))
	want := "ạ" + strings.Repeat("\u0323", 49) + strings.Repeat("\u0301", 50)
	if got != want {
		t.Errorf("nfc of a hundred marks = %+q, want %+q", got, want)
	}
	for in, want := range map[string]string{"각": "각", "각": "각", "각ᆨ": "각ᆨ", "\u2126": "Ω", "\u0958": "\u0915\u093c"} {
		if got := string(nfc([]rune(in), OpenAI)); got != want {
			t.Errorf("nfc(%+q) = %+q, want %+q", in, got, want)
		}
	}
}

// TestVariantsOfUTF8 has the corners of ftfy's decoder, its two slips at a last line
// break included.
func TestVariantsOfUTF8(t *testing.T) {
	for _, test := range []struct {
		data, want string
		ok         bool
	}{
		{"a\xc0\x80b", "a\x00b", true},
		{"\xed\xa0\xbd\xed\xb8\x8d", "😍", true},
		{"\xed\x95\x9c", "한", true},
		{"\xc0\n", "\x00", true},
		{"\xc0\na", "", false},
		{"\xc0", "", false},
		{"\xed\xa0\x80", "", false},
		{"\xed\xa0\x80\xed\xb0\n", "\U0001000a", true},
		{"\xed\xa0\x80abc", "", false},
		{"\xff\xed\x95\x9c", "", false},
		{"é", "é", true},
	} {
		got, ok := decodeVariants([]byte(test.data))
		if ok != test.ok || ok && got != test.want {
			t.Errorf("decodeVariants(%q) = %q, %v; want %q, %v", test.data, got, ok, test.want, test.ok)
		}
	}
}
