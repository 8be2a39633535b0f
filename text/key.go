package text

import (
	"strings"

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
func Key(nick string) string {
	folded := cases.Fold().String(norm.NFKC.String(nick))
	key := strings.Map(func(r rune) rune {
		if to, ok := lookalike[r]; ok {
			return to
		}
		return r
	}, norm.NFKD.String(folded))
	return dotted.Replace(key)
}

// dotted takes away a dot above a letter that has one anyway.
var dotted = strings.NewReplacer("l\u0307", "l", "j\u0307", "j")

// lookalike gives for a letter, case folded, the one that stands for all that
// look like it or its capital. It covers what a font for terminals draws alike, in the
// scripts that have letters like Latin ones, and what Chinese and Japanese
// writing, whose scripts may be mixed, draw alike.
var lookalike = func() map[rune]rune {
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
	return m
}()

const classes = `
	aаαɑ⍺ᴀꓮᎪ bвβьƅʙꓐᏼᏴᏏ cсϲᴄⲥꓚᏟ dԁᴅꓓᎠᏧ eеεҽ℮ᴇⲉꓰᎬ⋿ fϝꞙꓝքꜰ gɡցԍɢꓖᏀᏳ hһнηհʜⲏꓧᎻᏂ
	jјϳյȷᴊꓙᎫ kкκᴋⲕꓗᏦ mмμϻᴍⲙꓟᎷ nνոɴⲛꓠ pрρᴘⲣꓑᏢ qԛգ rгʀⲅᴦꓣᎡᏒ sѕտꜱꓢᏕᏚ
	tтτᴛⲧꓔᎢ uսʋᴜꓴ vѵᴠꓦᏙ wԝѡωաᴡⲱꓪᏔᏃ xхχ×ⲭꓫᕁᕽ yуυγүʏყⲩꓬᎩᎽ zζᴢⲍꓜ
	li1|ıɩіιӏǀ∣ɪʟⲓⳑꓲꓡᏞᎥꙇ⍳ⵏ
	o0оοօσჿⲟꓳᴏ๐໐०০੦૦౦೦൦၀ဝഠଠⵔ〇○◯
	2ƨ 3зӡȝʒɜ 4Ꮞ 5ƽ 6б 8ȣ
	-‐‒–—−˗۔ーｰ一 .·․・ '’‘´ʼ′ˈʹ‛
	へヘ 二ニ 口ロ 力カ 工エ 夕タ 卜ト 八ハ 丿ノ
	يیى كک ٠۰ ١۱ ٢۲ ٣۳ ٧۷ ٨۸ ٩۹
`
