package text

import (
	"strings"
	"sync"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Key returns what all nicks have in common that a reader could take for nick:
// letter case, width and letters that look alike do not count. Two members of
// a room have different keys. A key is for comparing, not for showing.
//
// Letter case is folded first, so a letter stands for its capital too: i, I, l, L,
// 1 and | are one. Where a Greek letter's two cases look like two Latin
// letters, the capital counts.
//
// This is the skeleton of UTS 39, with its data for whatever looks like a letter
// or digit of ASCII in a script that is written today, and with more where
// terminals' fonts draw alike what that data tells apart. What it does not
// cover:
//
//   - Letters of one script other than Latin that differ by a stroke, as in
//     Thai, Lao, the scripts of India, and Chinese characters and their
//     radicals; Arabic letters that differ by their dots.
//   - Accents: é and è, ö and ő, ç and ş are different letters of different
//     names, and so are e and é. Only caron and breve, and comma and cedilla
//     below, which many fonts cannot tell apart, are one.
//   - Letters side by side that pass for another but are no matter of UTS 39:
//     vv for w, cl for d. (rn for m is.)
//   - Pictures: two emoji that differ in detail make two names.
func Key(nick string) string {
	folded := cases.Fold().String(norm.NFKC.String(nick))
	key := strings.Map(func(r rune) rune {
		if to, ok := lookalike()[r]; ok {
			return to
		}
		return r
	}, norm.NFKD.String(folded))
	return letters.Replace(key)
}

// letters takes away a dot above a letter that has one anyway, takes apart
// what looks like two letters, and puts together two that look like one.
var letters = strings.NewReplacer("l\u0307", "l", "j\u0307", "j",
	"æ", "ae", "œ", "oe", "ꜳ", "aa", "ꜵ", "ao", "ꜷ", "au", "ꜹ", "av", "ꜻ", "av", "ꜽ", "ay", "ꝏ", "oo", "ꭣ", "uo", "ᵫ", "ue",
	"ʣ", "dz", "ʦ", "ts", "ʪ", "ls", "ʫ", "lz", "ǁ", "ll", "װ", "ll", "ы", "bl", "ю", "lo", "ꚙ", "oo",
	"rn", "m")

// lookalike gives for a letter, case folded, the one that stands for all that
// look like it or its capital. It covers what a font for terminals draws alike, in the
// scripts that have letters like Latin ones, and what Chinese and Japanese
// writing, whose scripts may be mixed, draw alike.
var lookalike = sync.OnceValue(func() map[rune]rune {
	m := map[rune]rune{'\u0640': -1} // stretches an Arabic letter, no more
	for _, class := range strings.Fields(classes) {
		first := rune(0)
		for _, r := range class {
			if first == 0 {
				first = r
			}
			m[r] = first
			for _, folded := range cases.Fold().String(string(r)) {
				m[folded] = first
			}
		}
	}
	m['\u0306'], m['\u0327'] = '\u030c', '\u0326' // breve and caron; cedilla and comma below
	return m
})

const classes = `
	aаαɑ⍺ᴀꓮᎪᗅ bвβьƅʙꓐᏼᏴᏏᖯꞵᑲᗷ cсᴄⲥꓚᏟ dԁᴅꓓꓒᎠᏧᗞᗪᑯ eеεҽ℮ᴇⲉꓰᎬ⋿ⴹꬲ fϝꞙꓝքꜰꬵᖴẝ gɡցԍɢꓖᏀᏳƍᶃ hһнηհʜⲏꓧᎻᏂᕼ
	jјϳյȷᴊꓙᎫᒍʝ kкκĸᴋⲕꓗᏦ mмμϻᴍⲙꓟᎷᗰ nνոռɴⲛꓠ pрρᴘⲣꓑᏢᑭ qԛգզⵕ rгʀⲅᴦꓣᎡᏒꭇꭈᖇ sѕտꜱꓢᏕᏚ
	tтτᴛⲧꓔᎢ uսʋᴜꓴꭒꭎꞟᑌሀ vѵᴠꓦᏙטᐯⴸ٧۷ wԝѡωաᴡⲱꓪᏔᎳɯ xхχ×ⲭꓫᕁᕽꭓ᙭ⵝ yуυγүʏყⲩꓬᎩᎽỿɣꭚᶌ zζᴢⲍꓜᏃ
	li1|ıɩіιӏǀ∣ɪʟⲓⳑꓲꓡᏞᎥꙇ⍳ⵏᒪוןا١۱ߊ
	o0оοօσסჿⲟꓳᴏᴑꬽ๐໐०০੦૦௦୦౦೦൦၀ዐ߀ဝഠଠⵔهھہە٥۵〇○◯
	2ƨᒿꝛϩꙅ 3зӡȝʒɜⳍꝫ 4Ꮞ 5ƽ 6бᏮⳓ 8ȣ৪੪ 9৭ꝯ୨੧൭ⳋ
	æӕ πпⲡ φфⲫɸ λлⲗʌ
	-‐‒–—−˗۔ーｰ一 .·․・ '’‘ʼ′ˈʹ‛
	へヘ 二ニ 口ロ 力カ 工エ 夕タ 卜ト 八ハ 丿ノ
	يیى كک ٠۰ ٢۲ ٣۳ ٨۸ ٩۹
`
