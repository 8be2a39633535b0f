package node

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/discovery"
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

// What a firewall lets in, of what others must reach.
func TestReadRuleset(t *testing.T) {
	doors := []door{{"udp", 7667}, {"tcp", 7667}, {"udp", 7668}}
	table := func(policy string, rules ...string) string {
		return "table inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter; policy " + policy + ";\n\t\t" +
			strings.Join(rules, "\n\t\t") + "\n\t}\n\tchain forward {\n\t\ttype filter hook forward priority filter; policy drop;\n\t}\n}\n"
	}
	for _, c := range []struct {
		what  string
		rules string
		want  string
	}{
		{"nothing", "", ""},
		{"an open one", table("accept"), ""},
		{"all shut", table("drop", `iif "lo" accept`, "ct state established,related accept", "ip protocol icmp accept", "tcp dport 22 accept"), "UDP 7667, TCP 7667, UDP 7668"},
		{"opened by a set", table("drop", "udp dport { 53, 7667-7668 } counter packets 5 bytes 7 accept", "tcp dport 7667 accept"), ""},
		{"opened for one", table("drop", "udp dport 7667 accept"), "TCP 7667, UDP 7668"},
		{"opened for all of a carrier", table("drop", "meta l4proto udp accept"), "TCP 7667"},
		{"opened for newcomers of an interface", table("drop", `iifname "eth0" accept`), ""},
		{"a last rule that drops", table("accept", "tcp dport 22 accept", "counter packets 1 bytes 2 drop"), "UDP 7667, TCP 7667, UDP 7668"},
		{"rejected", table("accept", "udp dport 1-65535 reject with icmp port-unreachable"), "UDP 7667, UDP 7668"},
		{"what is bounded otherwise", table("accept", "ip saddr 10.0.0.9 udp dport 7667 drop", "ct state invalid drop"), ""},
		{"not what comes in", "table ip nat {\n\tchain output {\n\t\ttype filter hook output priority 0; policy drop;\n\t}\n}\n", ""},
		{"IPv6 alone", strings.Replace(table("drop"), "inet", "ip6", 1), ""},
		{"rubbish", "table inet\nchain\n}\ntable ip x {\ndport udp { \ntcp dport {\nmeta l4proto\nct\niifname\ncounter packets\n", ""},
	} {
		if got := among(readRuleset(c.rules, doors)); got != c.want {
			t.Errorf("%s: shut is %q, want %q", c.what, got, c.want)
		}
	}
	for rules, want := range map[string]string{
		"-P INPUT ACCEPT\n": "",
		"-P INPUT DROP\n-A INPUT -i lo -j ACCEPT\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n": "UDP 7667, TCP 7667, UDP 7668",
		"-P INPUT DROP\n-A INPUT -p udp -m multiport --dports 7667:7668,9 -j ACCEPT\n":                             "TCP 7667",
		"-P INPUT ACCEPT\n-A INPUT -p tcp -m tcp --dport 7667 -j REJECT --reject-with tcp-reset\n":                 "TCP 7667",
		"-P INPUT DROP\n-A INPUT -i eth0 -p tcp -m tcp --dport 7667 -j ACCEPT\n-A INPUT -j\n":                      "UDP 7667, UDP 7668",
	} {
		if got := among(readChain(rules, doors)); got != want {
			t.Errorf("%q: shut is %q, want %q", rules, got, want)
		}
	}
}

// Whatever tools print, reading it ends.
func FuzzReadRuleset(f *testing.F) {
	f.Add("table inet filter {\nchain input {\ntype filter hook input priority 0; policy drop;\nudp dport { 1, 2-3 } accept\n}\n}\n")
	f.Add("-P INPUT DROP\n-A INPUT -p udp -m udp --dport 7667 -j ACCEPT\n")
	f.Fuzz(func(t *testing.T, rules string) {
		doors := []door{{"udp", 7667}, {"tcp", 7667}}
		readRuleset(rules, doors)
		readChain(rules, doors)
	})
}

func TestKindsOfInterfaces(t *testing.T) {
	for name, want := range map[string]linkKind{"wlan7": radio, "wlp3s0": radio, "tun0": tunnel, "wg0": tunnel, "docker0": inner, "vEthernet (WSL)": inner, "Wi-Fi 2": radio, "xyz": network} {
		if got := kindOf(discovery.Interface{Name: name}); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
