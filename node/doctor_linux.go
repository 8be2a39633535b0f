package node

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
)

// Flags in /proc/net/route and /proc/net/arp.
const (
	routeGateway = 0x2
	arpComplete  = 0x2
)

// maxTable bounds how much of one of the kernel's tables is read.
const maxTable = 1 << 20

// neighbors is what the kernel knows of who answers on the wire, over IPv4.
func neighbors() map[netip.Addr]linkSays {
	f, err := os.Open("/proc/net/arp")
	if err != nil {
		return nil
	}
	defer f.Close()
	return readNeighbors(f)
}

func readNeighbors(table io.Reader) map[netip.Addr]linkSays {
	all := map[netip.Addr]linkSays{}
	for lines := bufio.NewScanner(io.LimitReader(table, maxTable)); lines.Scan(); {
		var ip, kind, mac string
		var flags int
		if n, _ := fmt.Sscanf(lines.Text(), "%s %s 0x%x %s", &ip, &kind, &flags, &mac); n < 4 {
			continue
		}
		if a, err := netip.ParseAddr(ip); err == nil {
			if all[a] = linkSilent; flags&arpComplete != 0 {
				all[a] = linkAnswers
			}
		}
	}
	return all
}

// routers are where the kernel sends what is for other networks, over IPv4.
func routers() []netip.Addr {
	f, err := os.Open("/proc/net/route")
	if err != nil {
		return nil
	}
	defer f.Close()
	return readRouters(f)
}

// readRouters reads a table whose addresses are in hexadecimal, in the order of the machine's bytes.
func readRouters(table io.Reader) (list []netip.Addr) {
	for lines := bufio.NewScanner(io.LimitReader(table, maxTable)); lines.Scan(); {
		var name, to, via string
		var flags int
		if n, _ := fmt.Sscanf(lines.Text(), "%s %s %s %x", &name, &to, &via, &flags); n < 4 || flags&routeGateway == 0 {
			continue
		}
		if b, err := hex.DecodeString(via); err == nil && len(b) == 4 {
			var a [4]byte
			binary.NativeEndian.PutUint32(a[:], binary.BigEndian.Uint32(b))
			list = append(list, netip.AddrFrom4(a))
		}
	}
	return list
}

// firewallHint is how to let the ports through here.
func firewallHint(talk, find uint16) string {
	conf, _ := readFile("/etc/ufw/ufw.conf", maxKeyFile)
	if strings.Contains(string(conf), "ENABLED=yes") {
		return fmt.Sprintf("sudo ufw allow %d && sudo ufw allow %d/udp", talk, find)
	}
	if _, err := os.Stat("/run/firewalld"); err == nil {
		return fmt.Sprintf("sudo firewall-cmd --add-port=%[1]d/udp --add-port=%[1]d/tcp --add-port=%[2]d/udp", talk, find)
	}
	return fmt.Sprintf("let UDP and TCP port %d and UDP port %d in (sudo nft list ruleset shows what is dropped)", talk, find)
}
