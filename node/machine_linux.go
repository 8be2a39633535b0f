package node

import (
	"encoding/hex"
	"strings"
)

// machineFiles hold the id that was drawn when the system was set up. The
// second is where older systems have it.
var machineFiles = []string{"/etc/machine-id", "/var/lib/dbus/machine-id"}

// MachineID returns what is this computer's alone, or nothing where that cannot
// be known: a container often has no id.
func MachineID() string {
	for _, name := range machineFiles {
		b, err := readFile(name, maxKeyFile)
		if id := strings.TrimSpace(string(b)); err == nil && len(id) == 32 {
			if _, err := hex.DecodeString(id); err == nil {
				return id
			}
		}
	}
	return ""
}
