package metricstest

import (
	"strings"
	"testing"
)

const good = "# HELP a_seconds Of a.\n# TYPE a_seconds histogram\n" +
	"a_seconds_bucket{le=\"0.1\"} 1\na_seconds_bucket{le=\"+Inf\"} 2\na_seconds_sum 3.5\na_seconds_count 2\n" +
	"# HELP b_total Of b.\n# TYPE b_total counter\nb_total{x=\"\\\\ \\\" \\n\",y=\"1\"} 7\n"

func TestParseReads(t *testing.T) {
	p, err := Parse(good)
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := p.Get("b_total", "x", "\\ \" \n", "y", "1"); !ok || v != 7 {
		t.Errorf("it read %v", p)
	}
	if v := p.Sum("b_total", "y", "1"); v != 7 {
		t.Errorf("the sum is %g", v)
	}
}

// Whatever is changed in a good page is noticed: a reader that lets faults pass
// proves nothing.
func TestParseIsStrict(t *testing.T) {
	for _, change := range [][2]string{
		{"# HELP a_seconds Of a.\n", ""},
		{"# TYPE b_total counter\n", ""},
		{"counter", "gauge"},
		{"histogram", "summary"},
		{"b_total", "b"},
		{"Of b.", "of b"},
		{"a_seconds_sum 3.5\n", ""},
		{"a_seconds_count 2", "a_seconds_count 3"},
		{`le="+Inf"`, `le="1"`},
		{`le="0.1"`, `le="+Inf"`},
		{`{le="0.1"} 1`, `{le="0.1"} 5`},
		{"3.5", "x"},
		{"3.5", "NaN"},
		{"} 7", "} -7"},
		{"} 7", "}7"},
		{"} 7", "} 7 1700000000"},
		{`y="1"`, `x="1"`},
		{`y="1"`, `y=""`},
		{`y="1"`, `Y="1"`},
		{`y="1"`, `y=1`},
		{`\\ `, `\x `},
		{"b_total{", "b_Total{"},
		{"} 7\n", "} 7\n\n"},
		{"} 7\n", "} 7"},
		{"} 7\n", "} 7\n# HELP a_seconds Of a.\n# TYPE a_seconds gauge\na_seconds 1\n"},
		{"} 7\n", "} 7\nb_total{y=\"1\",x=\"\\\\ \\\" \\n\"} 8\n"},
		{"} 7\n", "} 7\n# HELP c Of c.\n# TYPE c gauge\n"},
		{"Of b", "Of \xff"},
	} {
		bad := strings.ReplaceAll(good, change[0], change[1])
		if bad == good {
			t.Fatalf("%q is not there", change[0])
		}
		if _, err := Parse(bad); err == nil {
			t.Errorf("%q for %q is let pass", change[1], change[0])
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(good)
	f.Add("a 1\n")
	f.Fuzz(func(t *testing.T, s string) { Parse(s) })
}
