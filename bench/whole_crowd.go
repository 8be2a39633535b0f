package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"parley/transport"
	"parley/udp"
)

// crowd measures a host at which many people sit and say nothing. Each is a socket
// and a key of its own in this process, and no more of a member than it takes to
// come in and be counted: what thousands of real ones would remember of each other
// is more than one machine has.
func (f *wholeFlags) crowd() error {
	sizes := []int{1000, 5000}
	if f.short {
		sizes = []int{500}
	}
	var table [][]string
	for _, n := range sizes {
		if cell := fmt.Sprintf("idle/%d", n); f.wants(cell) {
			roomRow, err := f.sitters(n)
			if err != nil {
				fmt.Fprintf(os.Stderr, "%s: %v\n", cell, err)
				roomRow = []string{strconv.Itoa(n), "failed"}
			}
			table = append(table, roomRow)
		}
	}
	if len(table) == 0 {
		return nil
	}
	fmt.Printf("\nPeople who sit there and say nothing.\n\n")
	printMarkdown(strings.Split("members,joins/s,CPU ms of the host per join,core idle,RSS MiB,KiB each,peak MiB,other load", ","), table)
	return nil
}

const (
	crowdCalm  = 10 * time.Second // until all that joining has left behind is done
	crowdWatch = 20 * time.Second
)

func (f *wholeFlags) sitters(n int) ([]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	h, err := hostParley(ctx, f, "--max-members", strconv.Itoa(n))
	if err != nil {
		return nil, err
	}
	defer h.stop()
	empty := look(h.pid())
	var all []*sitter
	defer func() {
		var leaving sync.WaitGroup
		for _, s := range all {
			leaving.Go(s.leave)
		}
		leaving.Wait()
	}()
	var mu sync.Mutex
	var joining sync.WaitGroup
	turns, errs := make(chan struct{}, atOnce), make(chan error, n)
	for i := range n {
		turns <- struct{}{}
		joining.Go(func() {
			defer func() { <-turns }()
			s, err := sit(ctx, h, i)
			if err != nil {
				errs <- fmt.Errorf("member %d: %w", i, err)
				return
			}
			mu.Lock()
			all = append(all, s)
			mu.Unlock()
		})
	}
	joining.Wait()
	full := look(h.pid())
	select {
	case err := <-errs:
		return nil, err
	default:
	}
	time.Sleep(crowdCalm)
	begun := look(h.pid())
	time.Sleep(crowdWatch)
	end := look(h.pid())
	idle := end.since(begun)
	for _, s := range all {
		if s.ended() {
			return nil, fmt.Errorf("a member was lost")
		}
	}
	joins := full.since(empty)
	return []string{strconv.Itoa(n), fmt.Sprintf("%.0f", float64(n)/joins.wall), fmt.Sprintf("%.2f", joins.cpu/float64(n)*1000),
		fmt.Sprintf("%.3f", idle.cpu/idle.wall), fmt.Sprintf("%.1f", end.rss), fmt.Sprintf("%.1f", (end.rss-empty.rss)*1024/float64(n)),
		fmt.Sprintf("%.1f", end.peak), fmt.Sprintf("%.2f", (idle.all-idle.cpu-idle.own)/idle.wall)}, nil
}

// sitter is somebody who has come in and listens.
type sitter struct {
	endpoint *udp.Endpoint
	done     chan struct{}
}

func sit(ctx context.Context, h *process, i int) (*sitter, error) {
	at, err := netip.ParseAddrPort(h.addr)
	if err != nil {
		return nil, err
	}
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	id, err := transport.NewIdentity()
	if err != nil {
		return nil, err
	}
	s := &sitter{&udp.Endpoint{Socket: pc, Identity: id}, make(chan struct{})}
	c, err := s.endpoint.Dial(ctx, at)
	if err == nil {
		err = c.Send(ctx, fmt.Appendf(nil, `{"type":"join","v":1,"nick":%q,"history":200}`, nickOf(i)))
	}
	for welcome := false; err == nil && !welcome; {
		var msg []byte
		var answer struct{ Type, Text string }
		if msg, err = c.Receive(ctx); err == nil {
			err = json.Unmarshal(msg, &answer)
		}
		if welcome = answer.Type == "welcome"; err == nil && answer.Type == "error" {
			err = fmt.Errorf("refused: %s", answer.Text)
		}
	}
	if err != nil {
		s.endpoint.Close()
		return nil, err
	}
	go func() {
		defer close(s.done)
		for {
			if _, err := c.Receive(context.Background()); err != nil {
				return
			}
		}
	}()
	return s, nil
}

// ended tells whether the connection is gone.
func (s *sitter) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

func (s *sitter) leave() { s.endpoint.Close() }
