package discovery

import (
	"encoding/binary"
	"net"

	"golang.org/x/net/bpf"
	"golang.org/x/net/ipv4"
)

const (
	// fromHeader is where a filter finds the bytes of the IP header: SKF_NET_OFF.
	fromHeader = 0xfff00000
	sourceAt   = 12 // in it, over IPv4
	wholly     = 1 << 18
	// maxFiltered keeps a filter far below the 4096 instructions that one may have.
	maxFiltered = 128
)

// keepOnLink has the system drop what comes from elsewhere than the networks of links,
// whatever it was sent to. The library answers all that its socket hears, and a router
// passes on what is sent to our address alone.
func keepOnLink(c *ipv4.PacketConn, links []Interface) error {
	var program []bpf.Instruction
	for _, i := range links {
		for _, p := range i.Prefixes {
			if !p.Addr().Is4() || len(program) > 4*maxFiltered {
				continue
			}
			mask := binary.BigEndian.Uint32(net.CIDRMask(p.Bits(), 32))
			a := p.Masked().Addr().As4()
			program = append(program,
				bpf.LoadAbsolute{Off: fromHeader + sourceAt, Size: 4},
				bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: mask},
				bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(a[:]), SkipTrue: 1},
				bpf.RetConstant{Val: wholly})
		}
	}
	raw, err := bpf.Assemble(append(program, bpf.RetConstant{Val: 0}))
	if err != nil {
		return err
	}
	return c.SetBPF(raw)
}
