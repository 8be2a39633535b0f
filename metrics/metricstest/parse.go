// Package metricstest reads pages of metrics as strictly as the format and its
// conventions say, so that tests can tell what is wrong with one, and what is in it.
package metricstest

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Sample is one line that is no comment.
type Sample struct {
	Name   string
	Labels map[string]string
	Value  float64
}

// A Page is what was read.
type Page []Sample

// Get returns the value of the sample with these labels, names and values in turn,
// and no others.
func (p Page) Get(name string, labels ...string) (value float64, ok bool) {
	for _, s := range p {
		if s.Name == name && len(s.Labels) == len(labels)/2 && s.has(labels) {
			return s.Value, true
		}
	}
	return 0, false
}

// Sum adds up the samples that have these labels among theirs.
func (p Page) Sum(name string, labels ...string) (sum float64) {
	for _, s := range p {
		if s.Name == name && s.has(labels) {
			sum += s.Value
		}
	}
	return sum
}

func (s Sample) has(labels []string) bool {
	for i := 0; i+1 < len(labels); i += 2 {
		if v, ok := s.Labels[labels[i]]; !ok || v != labels[i+1] {
			return false
		}
	}
	return true
}

var (
	nameForm  = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`) // as we write them; more is allowed
	labelForm = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

// family is what the comments say of a name.
type family struct {
	name, kind string
	samples    []Sample
}

// Parse reads a page, or tells the first thing that is wrong with it.
func Parse(text string) (Page, error) {
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("it is no UTF-8")
	}
	if text == "" {
		return nil, nil
	}
	if !strings.HasSuffix(text, "\n") {
		return nil, fmt.Errorf("the last line does not end")
	}
	var page Page
	var now *family
	known, series := map[string]bool{}, map[string]bool{}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		wrong := func(format string, args ...any) error {
			return fmt.Errorf("line %d, %q: %s", i+1, lines[i], fmt.Sprintf(format, args...))
		}
		if strings.HasPrefix(lines[i], "#") {
			if err := now.complete(); err != nil {
				return nil, wrong("before it: %v", err)
			}
			if i+1 == len(lines) {
				return nil, wrong("nothing follows")
			}
			var err error
			if now, err = head(lines[i], lines[i+1]); err != nil {
				return nil, wrong("%v", err)
			}
			if known[now.name] {
				return nil, wrong("the name was there before")
			}
			known[now.name] = true
			i++
			continue
		}
		s, err := sample(lines[i])
		if err != nil {
			return nil, wrong("%v", err)
		}
		if err := now.take(s); err != nil {
			return nil, wrong("%v", err)
		}
		if id := identity(s); series[id] {
			return nil, wrong("it is there twice")
		} else {
			series[id] = true
		}
		page = append(page, s)
	}
	return page, now.complete()
}

// head reads the two comments before samples.
func head(help, kind string) (*family, error) {
	words := strings.SplitN(help, " ", 4)
	if len(words) != 4 || words[0] != "#" || words[1] != "HELP" {
		return nil, fmt.Errorf("it is no # HELP")
	}
	name := words[2]
	if !nameForm.MatchString(name) {
		return nil, fmt.Errorf("%q is no name", name)
	}
	if words[3] == "" || !strings.HasSuffix(words[3], ".") {
		return nil, fmt.Errorf("the help is no sentence")
	}
	if _, _, err := unescape(words[3], false); err != nil {
		return nil, err
	}
	f := &family{name: name}
	var ok bool
	if f.kind, ok = strings.CutPrefix(kind, "# TYPE "+name+" "); !ok {
		return nil, fmt.Errorf("%q should be its # TYPE", kind)
	}
	total := strings.HasSuffix(name, "_total")
	switch f.kind {
	case "counter":
		if !total {
			return nil, fmt.Errorf("a counter's name ends with _total")
		}
	case "gauge":
		if total {
			return nil, fmt.Errorf("no gauge's name ends with _total")
		}
	case "histogram":
		if !strings.HasSuffix(name, "_seconds") && !strings.HasSuffix(name, "_bytes") {
			return nil, fmt.Errorf("a histogram's name ends with its unit")
		}
	default:
		return nil, fmt.Errorf("there is no type %q", f.kind)
	}
	for _, end := range []string{"_count", "_sum", "_bucket", "_ms", "_milliseconds", "_kb", "_info_total"} {
		if strings.HasSuffix(name, end) {
			return nil, fmt.Errorf("a name does not end with %s", end)
		}
	}
	return f, nil
}

// take checks a sample against the comments above it.
func (f *family) take(s Sample) error {
	if f == nil {
		return fmt.Errorf("nothing tells what it is")
	}
	if math.IsNaN(s.Value) || math.IsInf(s.Value, 0) {
		return fmt.Errorf("the value says nothing")
	}
	if f.kind != "gauge" && s.Value < 0 {
		return fmt.Errorf("a %s is not less than nothing", f.kind)
	}
	_, le := s.Labels["le"]
	bucket := f.kind == "histogram" && s.Name == f.name+"_bucket"
	switch {
	case le != bucket:
		return fmt.Errorf("le is of buckets, and of each")
	case f.kind != "histogram" && s.Name != f.name,
		f.kind == "histogram" && !slices.Contains([]string{"_bucket", "_sum", "_count"}, strings.TrimPrefix(s.Name, f.name)):
		return fmt.Errorf("it stands below %s, a %s", f.name, f.kind)
	}
	f.samples = append(f.samples, s)
	return nil
}

// complete checks all samples of a name together.
func (f *family) complete() error {
	if f == nil {
		return nil
	}
	if len(f.samples) == 0 {
		return fmt.Errorf("%s has no sample", f.name)
	}
	if f.kind != "histogram" {
		return nil
	}
	for rest := f.samples; len(rest) > 0; {
		n, err := histogram(f.name, rest)
		if err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

// histogram checks one, which begins list, and returns how many samples it has.
func histogram(name string, list []Sample) (n int, err error) {
	bound, below := math.Inf(-1), -1.0
	for n < len(list) && list[n].Name == name+"_bucket" {
		s := list[n]
		le, err := strconv.ParseFloat(s.Labels["le"], 64)
		if err != nil || le <= bound {
			return 0, fmt.Errorf("%s: the bucket %s comes after %g", name, s.Labels["le"], bound)
		}
		if s.Value < below {
			return 0, fmt.Errorf("%s: the bucket %g holds less than the one before", name, le)
		}
		if n > 0 && !same(s, list[0]) {
			return 0, fmt.Errorf("%s: the buckets have different labels", name)
		}
		bound, below = le, s.Value
		n++
	}
	if !math.IsInf(bound, 1) {
		return 0, fmt.Errorf("%s: the last bucket is %g", name, bound)
	}
	if n+2 > len(list) || list[n].Name != name+"_sum" || list[n+1].Name != name+"_count" || !same(list[n], list[0]) || !same(list[n+1], list[0]) {
		return 0, fmt.Errorf("%s: after the buckets come sum and count", name)
	}
	if list[n+1].Value != below {
		return 0, fmt.Errorf("%s: the count is %g and the buckets hold %g", name, list[n+1].Value, below)
	}
	return n + 2, nil
}

// same tells whether two samples have the same labels but for le.
func same(a, b Sample) bool {
	strip := func(s Sample) string {
		s.Name = ""
		s.Labels = mapWithout(s.Labels, "le")
		return identity(s)
	}
	return strip(a) == strip(b)
}

func mapWithout(m map[string]string, key string) map[string]string {
	c := map[string]string{}
	for k, v := range m {
		if k != key {
			c[k] = v
		}
	}
	return c
}

// identity is what a sample may have in common with no other.
func identity(s Sample) string {
	var keys []string
	for k := range s.Labels {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	id := s.Name
	for _, k := range keys {
		id += fmt.Sprintf(",%s=%q", k, s.Labels[k])
	}
	return id
}

// sample reads a line.
func sample(l string) (s Sample, err error) {
	end := strings.IndexAny(l, "{ ")
	if end < 0 {
		return s, fmt.Errorf("it has no value")
	}
	s.Name, s.Labels = l[:end], map[string]string{}
	if !nameForm.MatchString(s.Name) {
		return s, fmt.Errorf("%q is no name", s.Name)
	}
	rest := l[end:]
	if rest[0] == '{' {
		if rest, err = labels(rest[1:], s.Labels); err != nil {
			return s, err
		}
	}
	value, ok := strings.CutPrefix(rest, " ")
	if !ok || strings.ContainsAny(value, " \t") {
		return s, fmt.Errorf("one space and a value should follow, and no time")
	}
	if s.Value, err = strconv.ParseFloat(value, 64); err != nil {
		return s, fmt.Errorf("%q is no number", value)
	}
	return s, nil
}

// labels reads them up to the brace, and returns what is behind it.
func labels(text string, into map[string]string) (rest string, err error) {
	for {
		name, after, ok := strings.Cut(text, `="`)
		if !ok || !labelForm.MatchString(name) {
			return "", fmt.Errorf("%q is no name of a label", name)
		}
		if _, twice := into[name]; twice {
			return "", fmt.Errorf("the label %s is there twice", name)
		}
		value, n, err := unescape(after, true)
		if err != nil {
			return "", err
		}
		if value == "" {
			return "", fmt.Errorf("the label %s is empty", name)
		}
		into[name] = value
		switch text = after[n:]; {
		case strings.HasPrefix(text, ","):
			text = text[1:]
		case strings.HasPrefix(text, "}"):
			return text[1:], nil
		default:
			return "", fmt.Errorf("after the label %s comes neither , nor }", name)
		}
	}
}

// unescape reads up to the quote, and returns where what is behind it begins; a
// help is read to its end.
func unescape(s string, quoted bool) (value string, n int, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '"':
			return b.String(), i + 1, nil
		case s[i] != '\\':
			b.WriteByte(s[i])
		case i+1 < len(s) && s[i+1] == 'n':
			b.WriteByte('\n')
			i++
		case i+1 < len(s) && (s[i+1] == '\\' || quoted && s[i+1] == '"'):
			b.WriteByte(s[i+1])
			i++
		default:
			return "", 0, fmt.Errorf("a \\ that escapes nothing")
		}
	}
	if quoted {
		return "", 0, fmt.Errorf("a label that does not end")
	}
	return b.String(), len(s), nil
}
