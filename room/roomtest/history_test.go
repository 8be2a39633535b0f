package roomtest

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

func TestReadWrite(t *testing.T) {
	want := run(3, 10, 5)
	var file bytes.Buffer
	if err := Write(&file, want); err != nil {
		t.Fatal(err)
	}
	got, err := Read(&file)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Error("what was read is not what was written")
	}
}

func TestReadRefuses(t *testing.T) {
	for _, line := range []string{
		`{"op":"nap"}`, `{"op":"send","cid":"x"}`, `{"op":"send","who":"a"}`, `{"op":"ack"}`, `{"op":"ack","cid":"x"}`,
		`{"op":"fail"}`, `{"op":"recv","who":"a"}`, `{"op":"recv","seq":3}`, `{"op":"log"}`, `{"op":"end"}`, `{"op":"nemesis"}`,
		`{"op":"join"}`, `{"op":"join","who":"a","lane":"fast"}`, `{"op":"gap","who":"a"}`, `{"op":"plan","size":3}`,
		`{"op":"plan"} {"op":"plan"}`, `{"op":"plan"`, ``, `[]`, `{"op":"plan","seq":-1}`,
		`{"op":"log","seq":1,"body":"` + strings.Repeat("x", maxLine) + `"}`,
	} {
		if got, err := Read(strings.NewReader("{\"op\":\"plan\"}\n" + line + "\n")); err == nil {
			t.Errorf("%.60s was read as %+v", line, got)
		}
	}
}

// What Read accepts, Write writes so that Read reads the same; and no history,
// however mad, stops Check.
func FuzzRead(f *testing.F) {
	var file bytes.Buffer
	Write(&file, run(2, 3, 1))
	f.Add(file.Bytes())
	for _, m := range mutations {
		switch m.want {
		case LogGap, Phantom, ResumeSkips, CIDReuse:
			file.Reset()
			Write(&file, m.do(&testing.T{}, run(4, 6, 1)))
			f.Add(bytes.Clone(file.Bytes()))
		}
	}
	f.Add([]byte(`{"op":"join","who":"a","seq":18446744073709551615,"lane":"bare"}` + "\n" +
		`{"op":"gap","who":"a","seq":18446744073709551615,"count":18446744073709551615}` + "\n" +
		`{"op":"log","seq":18446744073709551615,"cid":"\u0000"}` + "\n" + `{"op":"recv","who":"a","seq":18446744073709551615}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > maxLine/8 { // so that an escaped copy still fits a line
			return
		}
		history, err := Read(bytes.NewReader(in))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := Write(&out, history); err != nil {
			t.Fatal(err)
		}
		again, err := Read(&out)
		if err != nil || !reflect.DeepEqual(history, again) {
			t.Fatalf("read again: %v\n%+v\n%+v", err, history, again)
		}
		for _, v := range Check(history) {
			_ = v.String()
		}
	})
}
