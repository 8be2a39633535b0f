package line

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"parley/room"
	"parley/transport"
)

// lan is a network of rooms in memory.
type lan struct {
	t      *testing.T
	hosts  map[string]*room.Host
	ids    map[string]transport.Identity
	cancel context.CancelFunc
	tasks  sync.WaitGroup
}

func newLAN(t *testing.T, rooms ...string) *lan {
	l := &lan{t: t, hosts: map[string]*room.Host{}, ids: map[string]transport.Identity{}}
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	for _, name := range rooms {
		id, _ := transport.NewIdentity()
		key, _ := transport.NewIdentity()
		h := &room.Host{Name: name, Key: key, HostKey: id.Key()}
		l.hosts[name], l.ids[name] = h, id
		l.tasks.Go(func() {
			if err := h.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	return l
}

func (l *lan) close() {
	l.cancel()
	l.tasks.Wait()
}

func (l *lan) Rooms(ctx context.Context, heard func(room.Listing)) error {
	for name := range l.hosts {
		heard(room.Listing{Room: name, Addr: netip.MustParseAddr("10.0.0.5"), UDP: 7667, Members: l.hosts[name].Members(), Secure: true})
	}
	<-ctx.Done()
	return ctx.Err()
}

func (l *lan) Join(ctx context.Context, target string, o room.JoinOptions) (*room.Member, error) {
	h, ok := l.hosts[target]
	if !ok {
		return nil, &room.Refused{Code: "no_room", Text: "no room " + target + " was heard"}
	}
	return room.Join(ctx, o, room.Dial(func(context.Context) (transport.Conn, error) {
		m, a := transport.Pipe(transport.Peer{Key: o.Identity.Key()}, transport.Peer{Key: l.ids[target].Key()})
		l.tasks.Go(func() {
			first, err := a.Receive(context.Background())
			if err == nil {
				h.Serve(context.Background(), a, append([]byte(nil), first...))
			}
			a.Close()
		})
		return m, nil
	}))
}

func (l *lan) Host(context.Context, room.HostOptions) (room.Hosting, error) {
	return nil, errors.ErrUnsupported
}

// person is somebody at a pipe.
type person struct {
	keys *io.PipeWriter
	out  *buffer
	err  *buffer
	done chan error
}

func (l *lan) person(ctx context.Context, target, nick string, o Options) *person {
	p := &person{out: &buffer{}, err: &buffer{}, done: make(chan error, 1)}
	o.In, p.keys = io.Pipe()
	o.Out, o.Err, o.Zone = p.out, p.err, time.UTC
	if o.Join.Identity.IsZero() {
		o.Join.Identity, _ = transport.NewIdentity()
	}
	o.Join.Nick = nick
	m, err := l.Join(ctx, target, o.Join)
	if err != nil {
		l.t.Fatal(err)
	}
	go func() { p.done <- Run(ctx, o, m, l) }()
	return p
}

// types types lines, each after what the one before brought about.
func (p *person) types(lines ...string) {
	for _, line := range lines {
		synctest.Wait()
		fmt.Fprintln(p.keys, line)
		time.Sleep(2 * time.Second)
	}
}

func TestPeopleInARealRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t, "physics", "chem")
		ana := l.person(t.Context(), "physics", "ana", Options{Join: room.JoinOptions{Identity: l.ids["physics"]}}) // the host
		ben := l.person(t.Context(), "physics", "ben", Options{})
		time.Sleep(2 * time.Second)
		ana.types("hi", "/me waves", "@ben psst", "/msg nobody x", "/foo", "/topic optics", "two\x07 words")
		ben.types("/nick benno", "/join nowhere", "/join chem", "in chem")
		ana.keys.Close()
		ben.keys.Close()
		if err := <-ana.done; !errors.Is(err, ErrNotSent) {
			t.Errorf("ana: %v", err)
		}
		if err := <-ben.done; !errors.Is(err, ErrNotSent) {
			t.Errorf("ben: %v", err)
		}
		l.close()
		const seen = "ana: hi\n** ana waves\n%s psst\n* ana made this the topic: optics\nana: two␇ words\n* ben is now called benno\n"
		if want := "--> ben joined\n" + fmt.Sprintf(seen, "[you → ben]") + "<-- benno left\n"; ana.out.String() != want {
			t.Errorf("ana has\n%swant\n%s", ana.out, want)
		}
		if want := fmt.Sprintf(seen, "[ana → you]") + "benno: in chem\n"; ben.out.String() != want {
			t.Errorf("ben has\n%swant\n%s", ben.out, want)
		}
		for _, want := range []string{"* you are hosting physics as ana", "there is no command /foo", "! some lines were not sent"} {
			if !strings.Contains(ana.err.String(), want) {
				t.Errorf("ana was told\n%swant %s", ana.err, want)
			}
		}
		for _, want := range []string{"! line 2: no room nowhere was heard", "* you are benno in chem"} {
			if !strings.Contains(ben.err.String(), want) {
				t.Errorf("ben was told\n%swant %s", ben.err, want)
			}
		}
	})
}

// A room that wants a password is not asked for it where the screen would show
// it; one that was given to the program opens it.
func TestGoingToARoomWithAPassword(t *testing.T) {
	secret, err := room.NewVerifier("open sesame")
	if err != nil {
		t.Fatal(err)
	}
	for _, given := range []string{"", "open sesame"} {
		synctest.Test(t, func(t *testing.T) {
			l := newLAN(t, "physics")
			id, _ := transport.NewIdentity()
			h := &room.Host{Name: "staff", HostKey: id.Key(), Password: secret}
			l.hosts["staff"], l.ids["staff"] = h, id
			ctx, cancel := context.WithCancel(t.Context())
			l.tasks.Go(func() { h.Run(ctx) })
			o := Options{}
			want := "! line 1: the room staff wants a password: parley join staff asks for it"
			if given != "" {
				o.Join.Password = func(context.Context, string, int) (string, bool) { return given, true }
				want = "* you are ben in staff"
			}
			ben := l.person(t.Context(), "physics", "ben", o)
			ben.types("/join staff")
			ben.keys.Close()
			<-ben.done
			cancel()
			l.close()
			if !strings.Contains(ben.err.String(), want) {
				t.Errorf("with %q ben was told\n%swant %s", given, ben.err, want)
			}
		})
	}
}

func TestManyLinesThroughARealRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t, "physics")
		hearer := l.person(t.Context(), "physics", "ben", Options{JSON: true})
		talker := l.person(t.Context(), "physics", "ana", Options{JSON: true})
		go func() {
			for i := range 2000 {
				fmt.Fprintln(talker.keys, "line", i)
			}
			talker.keys.Close()
		}()
		if err := <-talker.done; err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		hearer.keys.Close()
		if err := <-hearer.done; err != nil {
			t.Error(err)
		}
		l.close()
		for name, out := range map[string]string{"talker": talker.out.String(), "hearer": hearer.out.String()} {
			at := 0
			for i := range 2000 {
				n := strings.Index(out[at:], fmt.Sprintf(`"text":"line %d"`, i))
				if n < 0 {
					t.Fatalf("the %s lacks line %d", name, i)
				}
				at += n
			}
		}
		if n := strings.Count(talker.out.String(), `{"type":"accepted"`); n != 2000 {
			t.Errorf("%d lines were accepted", n)
		}
	})
}

func TestGuestInARealRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLAN(t, "physics")
		ana := l.person(t.Context(), "physics", "ana", Options{})
		server, client := net.Pipe()
		var screen buffer
		served := make(chan error, 1)
		go func() {
			served <- Guest(t.Context(), server, func(ctx context.Context, nick string) (*room.Member, error) {
				return l.Join(ctx, "physics", room.JoinOptions{Nick: nick, Guest: true, History: -1})
			})
		}()
		go io.Copy(&screen, client)
		time.Sleep(2 * time.Second)
		for _, s := range []string{"Ana", "gus\r\n", "hello", "/names\n", "@ana psst\n"} {
			io.WriteString(client, s)
			time.Sleep(2 * time.Second)
		}
		ana.types("hi guest", "/me waves")
		io.WriteString(client, "\\quit")
		if err := <-served; err != nil {
			t.Error(err)
		}
		time.Sleep(2 * time.Second)
		ana.keys.Close()
		<-ana.done
		client.Close()
		l.close()
		if want := "--> gus joined\ngus: hello\n[gus → you] psst\nana: hi guest\n** ana waves\n<-- gus left\n"; ana.out.String() != want {
			t.Errorf("ana has\n%swant\n%s", ana.out, want)
		}
		for _, want := range []string{"Your name? ! ", "Your name? * you are gus in physics", "2 here: ana, gus (guest)", "ana: hi guest\n", "** ana waves\n", "[you → ana] psst"} {
			if !strings.Contains(screen.String(), want) {
				t.Errorf("the guest has\n%swant %s", &screen, want)
			}
		}
		if strings.Contains(screen.String(), "gus: hello") {
			t.Errorf("what the guest said comes back to it:\n%s", &screen)
		}
	})
}
