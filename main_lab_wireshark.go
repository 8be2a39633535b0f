//go:build !nolab

package main

import (
	"fmt"

	"parley/lab"
)

// labWiresharkCmd prints the dissector for Wireshark.
type labWiresharkCmd struct{}

// Help says what to do with it.
func (*labWiresharkCmd) Help() string {
	return `The dissector takes parley's packets apart in Wireshark and tshark 3 or later: numbers, acknowledgements, messages and what was sent again in plaintext rooms and lessons, headers and the DTLS handshake in encrypted ones, discovery, and TCP.

  parley lab wireshark > parley.lua
  tshark -X lua_script:parley.lua -r capture.pcapng -Y parley.msg.id==5`
}

// Run prints it; where it belongs is talk.
func (*labWiresharkCmd) Run(p *program) error {
	if _, err := p.out.Write(lab.Dissector); err != nil {
		return err
	}
	fmt.Fprint(p.err, `Save it as parley.lua where Wireshark looks for plugins:
  Linux, macOS   ~/.local/lib/wireshark/plugins/parley.lua
  Windows        %APPDATA%\Wireshark\plugins\parley.lua
  elsewhere      see Help > About Wireshark > Folders, Personal Lua Plugins
Then press Ctrl-Shift-L in Wireshark, or start it anew, and filter by: parley
`)
	return nil
}
