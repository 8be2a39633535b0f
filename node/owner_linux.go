package node

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// portOwner names the program that has a port, or returns "" if it cannot be
// told: the kernel shows other users' sockets but not whose they are.
func portOwner(network string, port uint16) string {
	for _, table := range []string{network, network + "6"} {
		f, err := os.Open("/proc/net/" + table)
		if err != nil {
			continue
		}
		inode := socketInode(f, network == "tcp", port)
		f.Close()
		if inode != "" {
			return inodeOwner(inode)
		}
	}
	return ""
}

// Columns of /proc/net/{tcp,udp}, and the state of a listening stream.
const (
	columnLocal = 1
	columnState = 3
	columnInode = 9
	stateListen = "0A"
)

// socketInode finds the socket that is bound to port.
func socketInode(table io.Reader, listening bool, port uint16) string {
	suffix := fmt.Sprintf(":%04X", port)
	for lines := bufio.NewScanner(table); lines.Scan(); {
		columns := strings.Fields(lines.Text())
		if len(columns) > columnInode && strings.HasSuffix(columns[columnLocal], suffix) &&
			(!listening || columns[columnState] == stateListen) {
			return columns[columnInode]
		}
	}
	return ""
}

// inodeOwner finds the process that has a socket open.
func inodeOwner(inode string) string {
	fds, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err != nil || to != "socket:["+inode+"]" {
			continue
		}
		process := filepath.Dir(filepath.Dir(fd))
		name, err := os.ReadFile(filepath.Join(process, "comm"))
		if err != nil {
			return "process " + filepath.Base(process)
		}
		// A process may call itself anything.
		return fmt.Sprintf("%s (process %s)", strings.Trim(strconv.QuoteToASCII(strings.TrimSpace(string(name))), `"`), filepath.Base(process))
	}
	return ""
}
