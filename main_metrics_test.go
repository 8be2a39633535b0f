package main

import (
	"strings"
	"testing"
)

func TestMetricsAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"9090": "127.0.0.1:9090", ":9090": "127.0.0.1:9090", "0": "127.0.0.1:0", "localhost:9090": "127.0.0.1:9090", "LocalHost:1": "127.0.0.1:1",
		"0.0.0.0:9090": "0.0.0.0:9090", "10.0.0.5:9090": "10.0.0.5:9090", "[::1]:9090": "[::1]:9090", "[::]:65535": "[::]:65535", "[fe80::1%eth0]:9": "[fe80::1%eth0]:9",
	} {
		if got, err := metricsAddr(in); err != nil || got.String() != want {
			t.Errorf("%q is %v, %v, want %s", in, got, err, want)
		}
	}
	for in, words := range map[string]string{
		"":                  "ADDRESS:PORT",
		":":                 "port",
		"127.0.0.1":         "127.0.0.1:9090",
		"::1":               "[::1]:9090",
		"[::1]":             "[::1]:9090",
		"::1:9090":          "port", // an address, too
		"*:9090":            "0.0.0.0:9090",
		"ana.example:9090":  "ADDRESS:PORT",
		"9o90":              "9o90",
		":65536":            "65535",
		"127.0.0.1:-1":      "65535",
		"127.0.0.1:9090/x":  "65535",
		"http://127.0.0.1:": "ADDRESS:PORT",
		"127.0.0.1:9090 ":   "65535",
		"127.0.0.1:http":    "65535",
		"256.0.0.1:9090":    "ADDRESS:PORT",
	} {
		got, err := metricsAddr(in)
		if in == "" {
			if err == nil {
				t.Errorf("%q is %v", in, got)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q is %v, %v, want %q in words", in, got, err, words)
		}
	}
}
