package metrics

import (
	"strconv"
	"strings"
)

// A Page is one answer being put together. The zero value is empty. Labels are given
// as names and values in turn; an empty value is as good as none.
type Page struct {
	families []*family
	known    map[string]*family
}

// family is the samples of one name.
type family struct {
	name, help, kind string
	samples          []byte
}

// Counter adds a sample of what only grows while the program runs.
func (p *Page) Counter(name, help string, value float64, labels ...string) {
	p.family(name, help, "counter").sample("", value, labels, "")
}

// Gauge adds a sample of what goes up and down.
func (p *Page) Gauge(name, help string, value float64, labels ...string) {
	p.family(name, help, "gauge").sample("", value, labels, "")
}

// Histogram adds the samples of one, in seconds.
func (p *Page) Histogram(name, help string, h *Histogram, labels ...string) {
	f, below := p.family(name, help, "histogram"), uint64(0)
	for i, n := range h.counts {
		below += n
		le := "+Inf"
		if i < len(bounds) {
			le = number(bounds[i].Seconds())
		}
		f.sample("_bucket", float64(below), labels, le)
	}
	f.sample("_sum", h.sum.Seconds(), labels, "")
	f.sample("_count", float64(below), labels, "")
}

// Bytes is the page as it is sent.
func (p *Page) Bytes() []byte {
	var b []byte
	for _, f := range p.families {
		b = append(b, "# HELP "+f.name+" "+escape(f.help, false)+"\n# TYPE "+f.name+" "+f.kind+"\n"...)
		b = append(b, f.samples...)
	}
	return b
}

// family is that of a name. Its first help and type hold.
func (p *Page) family(name, help, kind string) *family {
	f := p.known[name]
	if f == nil {
		if p.known == nil {
			p.known = map[string]*family{}
		}
		f = &family{name: name, help: help, kind: kind}
		p.known[name] = f
		p.families = append(p.families, f)
	}
	return f
}

// sample adds a line. le is the upper end of a bucket, or empty.
func (f *family) sample(suffix string, value float64, labels []string, le string) {
	b := append(f.samples, f.name...)
	b = append(b, suffix...)
	before := byte('{')
	label := func(name, value string) {
		if value == "" {
			return
		}
		b = append(append(append(b, before), name...), `="`...)
		b = append(append(b, escape(value, true)...), '"')
		before = ','
	}
	for i := 0; i+1 < len(labels); i += 2 {
		label(labels[i], labels[i+1])
	}
	label("le", le)
	if before == ',' {
		b = append(b, '}')
	}
	f.samples = append(append(append(b, ' '), number(value)...), '\n')
}

// number writes counts without an exponent, as people read them.
func number(v float64) string {
	if v == float64(int64(v)) && v < 1e15 && v > -1e15 {
		return strconv.FormatInt(int64(v), 10)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

var (
	inHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	inLabel = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// escape makes s fit for a line.
func escape(s string, label bool) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if label {
		return inLabel.Replace(s)
	}
	return inHelp.Replace(s)
}

// Bool is 1 for what is so, else 0.
func Bool(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
