package roomtest

import (
	"slices"
	"strings"
	"testing"
)

// What ana (the host), ben and cyn put out while ana says one thing to all and
// one to ben, and ben loses his connection once.
var outputs = map[string]string{
	"ana": `{"type":"ready","v":1,"room":"physics","nick":"ana","role":"host","seq":0}
{"type":"join","seq":1,"at":"2030-01-02T03:04:05.678Z","nick":"ana"}
{"type":"join","seq":2,"nick":"ben"}
{"type":"join","seq":3,"nick":"cyn"}
{"type":"accepted","id":"00","seq":4,"text":"a1 hello all"}
{"type":"message","seq":4,"from":"ana","text":"a1 hello all","replay":false}
{"type":"accepted","id":"01","seq":5,"text":"a2 psst"}
{"type":"whisper","seq":5,"from":"ana","to":"ben","text":"a2 psst"}
{"type":"delivered","seq":4,"count":2,"of":2}
{"type":"topic","seq":6,"text":"waves"}
{"type":"message","seq":7,"from":"ben","text":"b1","replay":false}
{"type":"stats","packets":12}

`,
	"ben": `{"type":"ready","v":1,"room":"physics","nick":"ben","role":"member","seq":1}
{"type":"join","seq":2,"nick":"ben"}
{"type":"join","seq":3,"nick":"cyn"}
{"type":"message","seq":4,"from":"ana","text":"a1 hello all","replay":false}
{"type":"link","state":"lost","why":"udp silent for 3 s"}
{"type":"link","state":"resumed","transport":"udp"}
{"type":"whisper","seq":5,"from":"ana","to":"ben","text":"a2 psst"}
{"type":"topic","seq":6,"text":"waves"}
{"type":"accepted","id":"02","seq":7,"text":"b1"}
{"type":"message","seq":7,"from":"ben","text":"b1","replay":false}
{"type":"members","members":[{"nick":"ana"}]}
`,
	"cyn": `{"type":"ready","v":1,"room":"physics","nick":"cyn","role":"member","seq":2}
{"type":"join","seq":3,"nick":"cyn"}
{"type":"message","seq":4,"from":"ana","text":"a1 hello all","replay":false}
{"type":"topic","seq":6,"text":"waves"}
{"type":"message","seq":7,"from":"ben","text":"b1","replay":false}
`,
}

func record(t *testing.T, change func(who, output string) string) []Violation {
	t.Helper()
	var r Recorder
	r.Add(Record{Op: Plan, Count: 3})
	r.Sending("ana", "", "a1 hello all")
	r.Sending("ana", "ben", "a2 psst")
	r.Sending("ben", "", "b1")
	for _, who := range []string{"ana", "ben", "cyn"} {
		if err := r.Stream(who, strings.NewReader(change(who, outputs[who]))); err != nil {
			t.Fatal(err)
		}
		r.Add(Record{Op: End, Who: who})
	}
	return Check(r.History("ana"))
}

func TestRecorder(t *testing.T) {
	found := record(t, func(_, output string) string { return output })
	if found != nil {
		t.Error(Report(found))
	}
}

func TestRecorderSees(t *testing.T) {
	for want, change := range map[Verdict][3]string{
		GapDisplay:       {"cyn", `{"type":"topic","seq":6,"text":"waves"}` + "\n", ""},
		Diverged:         {"cyn", `"seq":6`, `"seq":5`},
		Corrupt:          {"ana", `"from":"ana","text":"a1 hello all"`, `"from":"ana","text":"a1 hello al"`},
		AckChanged:       {"ana", `"id":"00","seq":4`, `"id":"00","seq":3`},
		DuplicateDisplay: {"ben", `{"type":"topic","seq":6,"text":"waves"}`, `{"type":"message","seq":4,"from":"ana","text":"a1 hello all"}`},
		LogGap:           {"ana", `{"type":"join","seq":1,"at":"2030-01-02T03:04:05.678Z","nick":"ana"}` + "\n", ""},
		Incomplete:       {"cyn", `{"type":"message","seq":7,"from":"ben","text":"b1","replay":false}` + "\n", ""},
	} {
		found := record(t, func(who, output string) string {
			if who != change[0] {
				return output
			}
			changed := strings.Replace(output, change[1], change[2], 1)
			if changed == output {
				t.Fatalf("%s: nothing to change", want)
			}
			return changed
		})
		if !slices.ContainsFunc(found, func(v Violation) bool { return v.Verdict == want }) {
			t.Errorf("want %s, found:\n%s", want, Report(found))
		}
	}
}

func TestRecorderRefusesNoise(t *testing.T) {
	var r Recorder
	if err := r.Stream("ana", strings.NewReader("panic: oh no\n")); err == nil {
		t.Error("a line that is no object was taken in")
	}
}
