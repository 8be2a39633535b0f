//go:build !nolab

package lab

import _ "embed"

// Dissector is a dissector of the program's protocols for Wireshark, in Lua: a
// file to be put where Wireshark looks for plugins.
//
//go:embed parley.lua
var Dissector []byte
