package node

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Each row is what is seen of a host, and what that must be called.
func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		code  string
		class Class
		e     evidence
	}{
		{"reached", Fine, evidence{udp: answered, tcp: answered}},
		{"reached", Fine, evidence{udp: answered, tcp: closed}},
		{"reached", Fine, evidence{udp: closed, tcp: answered}},
		{"unwilling", Fine, evidence{udp: unwilling, tcp: silent}},
		{"tcp_blocked", Blocked, evidence{udp: answered, tcp: silent}},
		{"udp_blocked", Blocked, evidence{udp: silent, tcp: answered}},
		{"both_blocked", Blocked, evidence{udp: silent, tcp: silent, local: true, link: linkAnswers}},
		{"both_blocked", Blocked, evidence{udp: silent, tcp: noHost, local: true, link: linkAnswers}},
		{"both_blocked", Blocked, evidence{udp: silent, tcp: silent, local: true, heard: true}},
		{"wrong_subnet", ThisMachine, evidence{udp: noRoute, tcp: noRoute}},
		{"far_silent", Blocked, evidence{udp: silent, tcp: silent}},
		{"no_computer", NobodyThere, evidence{udp: silent, tcp: noHost}},
		{"nobody_hosts", NobodyThere, evidence{udp: closed, tcp: closed, local: true}},
		{"nobody_hosts", NobodyThere, evidence{udp: silent, tcp: closed, local: true}},
		{"other_program", NobodyThere, evidence{udp: closed, tcp: foreign, local: true}},
		{"isolation", Blocked, evidence{udp: silent, tcp: noHost, local: true, link: linkSilent, router: true}},
		{"no_computer", NobodyThere, evidence{udp: silent, tcp: noHost, local: true, link: linkSilent, router: true, others: true}},
		{"no_computer", NobodyThere, evidence{udp: silent, tcp: silent, local: true, link: linkSilent}},
		{"silent", Blocked, evidence{udp: silent, tcp: silent, local: true}},
		{"forbidden", ThisMachine, evidence{udp: forbidden, tcp: silent}},
	} {
		c.e.at = netip.MustParseAddrPort("10.0.0.2:7667")
		f := verdict(&c.e, &Node{})
		if f.Code != c.code || f.Class != c.class || f.Text == "" || f.Next == "" {
			t.Errorf("%+v: %+v, want %s (%d)", c.e, f, c.code, c.class)
		}
	}
}

// That nobody is there explains less than anything else that is wrong.
func TestDiagnosisIsWhatExplainsMost(t *testing.T) {
	nobody, port, blocked := Finding{Code: "nobody", Class: NobodyThere}, Finding{Code: "port_taken", Class: ThisMachine}, Finding{Code: "udp_blocked", Class: Blocked}
	for _, c := range []struct {
		want   string
		faults []Finding
	}{
		{"fine", nil}, {"nobody", []Finding{nobody}}, {"port_taken", []Finding{nobody, port}},
		{"port_taken", []Finding{port, nobody, blocked}}, {"udp_blocked", []Finding{nobody, blocked, port}},
	} {
		x := examination{faults: c.faults}
		if d := x.diagnosis(); d.Code != c.want {
			t.Errorf("%v: %s, want %s", c.faults, d.Code, c.want)
		}
	}
}

func TestExamineDir(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{dir: "data", filepath.Join(dir, "a", "b"): "data", file: "data_no_dir"} {
		if f := ExamineDir(name); f.Code != want {
			t.Errorf("%s: %+v, want %s", name, f, want)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("it left %v", left)
	}
}

func TestExamineClock(t *testing.T) {
	for year, want := range map[int]string{1970: "clock_wrong", 2027: "clock"} {
		if f := ExamineClock(time.Date(year, 2, 1, 0, 0, 0, 0, time.UTC)); f.Code != want || f.Class != Fine {
			t.Errorf("%d: %+v", year, f)
		}
	}
}
