package node

import "golang.org/x/sys/windows/registry"

// MachineID returns what is this computer's alone, or nothing where that cannot
// be known: the number drawn when Windows was set up.
func MachineID() string {
	k, err := registry.OpenKey(registry.LOCAL_MACHINE, `SOFTWARE\Microsoft\Cryptography`, registry.QUERY_VALUE|registry.WOW64_64KEY)
	if err != nil {
		return ""
	}
	defer k.Close()
	id, _, err := k.GetStringValue("MachineGuid")
	if err != nil {
		return ""
	}
	return id
}
