package node

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
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

// What looks after the rules of many machines, and what tells that it is on.
const (
	ufwConf      = "/etc/ufw/ufw.conf"
	firewalldRun = "/run/firewalld"
	oldTables    = "/proc/net/ip_tables_names"
)

// readLimit bounds how long the rules are asked for.
const readLimit = time.Second

// keeper is what looks after the rules here, if that can be told.
func keeper() string {
	conf, _ := readFile(ufwConf, maxKeyFile)
	if strings.Contains(string(conf), "ENABLED=yes") {
		return "ufw"
	}
	if _, err := os.Stat(firewalldRun); err == nil {
		return "firewalld"
	}
	return ""
}

// readWall reads the rules, which only root may.
func readWall(ctx context.Context, doors []door) wall {
	w := wall{name: keeper()}
	if os.Geteuid() != 0 {
		return w
	}
	by := ""
	if rules, ok := toolSays(ctx, "nft", "list", "ruleset"); ok {
		w.known, by = true, "nftables"
		w.shut = readRuleset(rules, doors)
	}
	if old, err := readFile(oldTables, maxKeyFile); err == nil && strings.Contains(string(old), "filter") {
		for _, tool := range []string{"iptables-legacy", "iptables"} {
			if rules, ok := toolSays(ctx, tool, "-S"); ok {
				w.known, by = true, "iptables"
				w.shut = unique(append(w.shut, readChain(rules, doors)...))
				break
			}
		}
	}
	if w.name == "" {
		w.name = by
	}
	return w
}

// toolSays runs one of the system's tools and returns what it prints.
func toolSays(ctx context.Context, name string, args ...string) (string, bool) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	for _, dir := range []string{"/usr/sbin/", "/sbin/", "/usr/bin/"} { // whatever PATH says: this is root
		if _, err := os.Stat(dir + name); err == nil {
			c := exec.CommandContext(ctx, dir+name, args...)
			c.WaitDelay = readLimit
			out, err := c.Output()
			return string(out[:min(len(out), maxTable)]), err == nil
		}
	}
	return "", false
}

// firewallHint is how to let the ports through here.
func firewallHint(talk, find uint16) string {
	switch keeper() {
	case "ufw":
		return fmt.Sprintf("sudo ufw allow %d && sudo ufw allow %d/udp", talk, find)
	case "firewalld":
		return fmt.Sprintf("sudo firewall-cmd --add-port=%[1]d/udp --add-port=%[1]d/tcp --add-port=%[2]d/udp", talk, find)
	}
	return fmt.Sprintf("let UDP and TCP port %d and UDP port %d in (sudo nft list ruleset shows what is dropped)", talk, find)
}

// hasRadio tells whether an interface is one of Wi-Fi.
func hasRadio(name string) bool {
	_, err := os.Stat(filepath.Join("/sys/class/net", filepath.Base(name), "wireless"))
	return err == nil
}

// remoteFS tells whether a file system is one of a network, by its magic number.
func remoteFS(s *unix.Statfs_t) (bool, string) {
	what := map[uint32]string{
		unix.NFS_SUPER_MAGIC: "NFS", unix.SMB_SUPER_MAGIC: "SMB", unix.CIFS_SUPER_MAGIC: "SMB", unix.SMB2_SUPER_MAGIC: "SMB",
		unix.AFS_SUPER_MAGIC: "AFS", unix.CODA_SUPER_MAGIC: "Coda", unix.NCP_SUPER_MAGIC: "NCP",
	}[uint32(s.Type)]
	return what != "", what
}
