package token

import "strings"

// Categories of the characters that turn up when UTF-8 is read as something
// else, with the names ftfy gives them.
const (
	common uint32 = 1 << iota
	c1
	bad
	law
	currency
	opening
	closing
	numerical
	kaomoji // letters that faces are made of
	upperAccented
	lowerAccented
	upperCommon
	lowerCommon
	box
	// Not categories, but needed beside them.
	lowerASCII
	upperASCII
	blankCharacter // str.isspace
	wordCharacter  // \w
	listed         // is among the chars of a place
)

// categoryBits are the categories by their names in tables.txt.
var categoryBits = map[string]uint32{
	"common": common, "c1": c1, "bad": bad, "law": law, "currency": currency,
	"start_punctuation": opening, "end_punctuation": closing, "numeric": numerical, "kaomoji": kaomoji,
	"upper_accented": upperAccented, "lower_accented": lowerAccented,
	"upper_common": upperCommon, "lower_common": lowerCommon, "box": box,
}

// addPlain enters the bits that are not categories.
func (t *tables) addPlain() {
	t.categories.set('a', 'z', lowerASCII)
	for _, s := range badSequences {
		for _, p := range s {
			for _, r := range p.chars {
				t.categories.set(r, r, listed)
			}
		}
	}
	t.categories.set('A', 'Z', upperASCII)
	for r := rune(0); r <= 0x10FFFF; r++ {
		switch p := t.properties.at(r); {
		case p&word != 0:
			t.categories.set(r, r, wordCharacter)
		case p&blank != 0:
			t.categories.set(r, r, blankCharacter)
		case p == 0 && t.properties.page[r>>8] == nil:
			r |= 0xFF // nothing on this page
		}
	}
}

// A place is one position of a sequence: a character that is in one of the
// categories or among chars, or one that is not, if not is set.
type place struct {
	in    uint32
	chars string
	not   bool
}

func (p place) holds(r rune, bits uint32) bool {
	return (bits&p.in != 0 || bits&listed != 0 && strings.ContainsRune(p.chars, r)) != p.not
}

const (
	accented = lowerAccented | upperAccented
	odd      = accented | box | opening | closing | currency | numerical | law
	ascii    = lowerASCII | upperASCII
)

// badSequences are the neighbours that are far likelier in mojibake than in
// writing: the heuristic of ftfy 6.3. Text that holds one is looked into.
var badSequences = [][]place{
	{{in: c1}},
	{{in: odd | bad}, {in: bad}},
	{{in: ascii}, {in: lowerCommon | upperCommon}, {in: bad}},
	{{in: bad}, {in: odd}},
	{{in: lowerAccented | lowerCommon | box | closing | currency | numerical}, {in: upperAccented}},
	{{in: box | closing | currency | numerical}, {in: lowerAccented}},
	{{in: lowerAccented | box | closing}, {in: currency}},
	{{in: blankCharacter}, {in: upperAccented}, {in: currency}},
	{{in: upperAccented | box}, {in: numerical | law}},
	{{in: accented | box | currency | closing}, {in: opening}, {in: numerical}},
	{{in: accented | currency | numerical | box | law}, {in: closing}, {in: opening}},
	{{in: currency | numerical | box}, {in: opening}},
	{{in: lowerASCII}, {in: upperAccented}, {in: opening | currency}},
	{{in: box}, {in: kaomoji}},
	{{in: accented | currency | numerical | opening | closing | law}, {in: box}},
	{{in: box}, {in: closing}},
	{{in: accented}, {in: opening | closing}, {in: wordCharacter}},
	// œ before anything but a plain letter; a degree sign after a capital.
	{{chars: "Œœ"}, {in: ascii, not: true}},
	{{in: upperAccented}, {chars: "°"}},
	// Two characters of Windows-1252.
	{{chars: "ÂÃÎÐ"}, {in: opening | closing, chars: "€œŠš¢£Ÿž\u00a0\u00ad®©°·»–—´"}},
	{{chars: "×"}, {chars: "²³"}},
	// Arabic read as Windows-1252: four characters, since they are common ones.
	{{chars: "ØÙ"}, arabic, {chars: "ØÙ"}, arabic},
	// The first two of three characters of some South Asian scripts.
	{{chars: "à"}, {chars: "²µ¹¼½¾"}},
	// Mac Roman.
	{{chars: "√"}, {chars: "±∂†≠®™´≤≥¥µø"}},
	{{chars: "≈"}, {chars: "°¢"}},
	{{chars: "‚"}, {chars: "Ä"}, {chars: "ìîïòôúùû†°¢π"}},
	{{chars: "‚"}, {chars: "âó"}, {chars: "àä°ê"}},
	// Windows-1251: punctuation of U+2000, Latin-1 and Cyrillic.
	{{chars: "в"}, {chars: "Ђ"}},
	{{chars: "ВГРС"}, {in: c1 | bad | opening | closing | currency, chars: "°µ"}, {chars: "ВГРС"}},
	{{chars: "Г"}, {chars: "ў"}, {chars: "В"}, {chars: "Ђ"}, {chars: "В"}, {chars: "\n", not: true}, {in: ascii, chars: " "}},
	// à, á and the space that does not break; Â before what it stands for.
	{{chars: "Ã"}, {chars: "\u00a0¡"}},
	{{in: lowerASCII}, {chars: "ÃÂ"}, {chars: " "}},
	{{in: lowerASCII}, {in: blankCharacter}, {chars: "ÃÂ"}, {chars: " "}},
	{{in: lowerASCII | closing, chars: ".,?!"}, {chars: "Â"}, {in: opening | closing, chars: " "}},
	// Windows-1253: punctuation of U+2000, Latin-1 and Greek.
	{{chars: "β"}, {chars: "€"}, {chars: "™\u00a0Ά\u00ad®°"}},
	{{chars: "ΒΓΞΟ"}, {in: c1 | bad | opening | closing | currency, chars: "°"}, {chars: "ΒΓΞΟ"}},
	// Windows-1257.
	{{chars: "ā"}, {chars: "€"}},
}

var arabic = place{in: common | currency | bad | numerical | opening, chars: "ŸŠ®°µ»"}

// isBad reports whether text looks as if it had been read in a wrong encoding.
func isBad(text []rune) bool {
	if len(text) >= 2 && (text[0] == 'Ã' || text[0] == 'Â') && text[1] == ' ' {
		return true
	}
	t := table()
	window := make([]uint32, len(text))
	for i, r := range text {
		window[i] = t.categories.at(r)
	}
	for i := range text {
		// Every sequence has a character beyond ASCII in its first three places.
		if text[i] < 0x80 && (i+1 == len(text) || text[i+1] < 0x80) && (i+2 >= len(text) || text[i+2] < 0x80) {
			continue
		}
		if window[i] == 0 {
			continue
		}
		for _, s := range badSequences {
			if window[i]&(s[0].in|listed) != 0 && matches(s, text[i:], window[i:]) {
				return true
			}
		}
	}
	return false
}

// matches reports whether text, whose categories are bits, begins with s.
func matches(s []place, text []rune, bits []uint32) bool {
	if len(text) < len(s) {
		return false
	}
	for i, p := range s {
		if !p.holds(text[i], bits[i]) {
			return false
		}
	}
	return true
}
