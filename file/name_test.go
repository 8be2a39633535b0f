package file

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestName(t *testing.T) {
	long := strings.Repeat("x", 300)
	for in, want := range map[string]string{
		"notes.pdf":                      "notes.pdf",
		"the notes (2).pdf":              "the notes (2).pdf",
		"übung ä.txt":                    "übung ä.txt",
		"漢字.txt":                         "漢字.txt",
		"../../etc/passwd":               "passwd",
		`..\..\windows\system32\cmd.exe`: "cmd.exe",
		`C:\x`:                           "x",
		"C:x":                            "C_x",
		"a\x00b\nc\x1b[31m.txt":          "a_b_c_[31m.txt",
		"gnp\u202etxt.exe":               "gnp_txt.exe",
		"a\u2066b\u200e\u00ad.txt":       "a_b.txt",
		".bashrc":                        "bashrc",
		"...":                            "file",
		"":                               "file",
		"/":                              "file",
		"x. . ":                          "x",
		"-rf":                            "_-rf",
		"CON":                            "_CON",
		"con.txt":                        "_con.txt",
		"Com1.tar.gz":                    "_Com1.tar.gz",
		"LPT¹":                           "_LPT¹",
		"COM.txt":                        "COM.txt",
		"COM12.txt":                      "COM12.txt",
		"CONSOLE":                        "CONSOLE",
		"NUL .txt":                       "_NUL .txt",
		"a<b>c:d|e?f*g\"h":               "a_b_c_d_e_f_g_h",
		"a\xff.txt":                      "a_.txt",
		"a\u00a0\u3000b":                 "a  b",
		long + ".tar.gz":                 long[:117] + ".gz",
		strings.Repeat("ä", 150) + ".md": strings.Repeat("ä", 58) + ".md",
	} {
		if got := Name(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// FuzzName holds that a name is harmless whatever it was, and stays as it is then.
func FuzzName(f *testing.F) {
	for _, s := range []string{"notes.pdf", "../x", `C:\x`, "CON.", "\u05d0\u05d1.txt", ".\u200d.", strings.Repeat("e\u0301", 90) + ".x", "aux.\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n := Name(s)
		if again := Name(n); again != n {
			t.Fatalf("%q becomes %q becomes %q", s, n, again)
		}
		if n == "" || len(n) > maxName || !utf8.ValidString(n) || reserved(n) || strings.ContainsAny(n, `<>:"/\|?*`) ||
			strings.HasPrefix(n, ".") || strings.HasPrefix(n, " ") || strings.HasSuffix(n, ".") || strings.HasSuffix(n, " ") {
			t.Fatalf("%q becomes %q", s, n)
		}
		for _, r := range n {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError {
				t.Fatalf("%q becomes %q, with %U", s, n, r)
			}
		}
	})
}
