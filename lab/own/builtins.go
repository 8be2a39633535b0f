//go:build !nolab

package own

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"go.starlark.net/starlark"
)

// builtins are what a script can call besides what Starlark has, and those of
// Starlark's own that are bounded here: range, which could make lists without
// taking steps, and what turns values into text.
var builtins = map[string]*starlark.Builtin{}

func init() {
	for name, f := range map[string]func(e *end, args starlark.Tuple) (starlark.Value, error){
		"send": send, "deliver": deliver, "set_timer": setTimer, "cancel_timer": cancelTimer, "now": now,
		"log": logs, "print": logs, "pack": packs, "unpack": unpacks, "range": ranges, "str": str, "repr": str,
	} {
		builtins[name] = starlark.NewBuiltin(name, func(t *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, named []starlark.Tuple) (starlark.Value, error) {
			if len(named) > 0 {
				return nil, fmt.Errorf("%s: values go in without a name=, in their order", name)
			}
			e, ok := t.Local(endKey).(*end)
			if !ok {
				return nil, errors.New("nothing runs")
			}
			v, err := f(e, args)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			return v, nil
		})
	}
}

// inside refuses what only callbacks may do.
func (e *end) inside() error {
	if e.in == "" {
		return errors.New("only inside of a callback; on_start() is the first")
	}
	return nil
}

// want checks how many values there are.
func want(args starlark.Tuple, n int, as string) error {
	if len(args) != n {
		return fmt.Errorf("want %s, got %d values", as, len(args))
	}
	return nil
}

// words is the text of a value.
func words(v starlark.Value) (string, error) {
	switch v := v.(type) {
	case starlark.String:
		return string(v), nil
	case starlark.Bytes:
		return string(v), nil
	}
	return "", fmt.Errorf("want text, got %s: str(…) or pack(…) make some", v.Type())
}

func send(e *end, args starlark.Tuple) (starlark.Value, error) {
	if err := errors.Join(e.inside(), want(args, 1, "send(data)")); err != nil {
		return nil, err
	}
	data, err := words(args[0])
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxDatagram:
		return nil, fmt.Errorf("%d bytes; a datagram has at most %d", len(data), maxDatagram)
	case e.sends >= callSends:
		return nil, fmt.Errorf("more than %d datagrams in one call of %s", callSends, e.in)
	}
	e.sends++
	sent, err := e.lane.sent(e.host.Name(), len(data), e.lane.carried([]byte(data)))
	if err != nil {
		return nil, err
	}
	if sent {
		e.socket.WriteTo([]byte(data), e.peer)
	}
	return starlark.None, nil
}

func deliver(e *end, args starlark.Tuple) (starlark.Value, error) {
	if err := errors.Join(e.inside(), want(args, 1, "deliver(text)")); err != nil {
		return nil, err
	}
	text, err := words(args[0])
	if err != nil {
		return nil, err
	}
	if len(text) > maxText {
		return nil, fmt.Errorf("%d bytes; nobody says more than %d", len(text), maxText)
	}
	return starlark.None, e.lane.shown(e.host.Name(), text)
}

// timerName checks the name of a timer.
func timerName(v starlark.Value) error {
	switch v := v.(type) {
	case starlark.String:
		if len(v) <= 100 {
			return nil
		}
		return errors.New("a name of more than 100 bytes")
	case starlark.Int:
		if _, ok := v.Int64(); ok {
			return nil
		}
	}
	return fmt.Errorf("a timer's name is a text or a whole number, not a %s", v.Type())
}

func setTimer(e *end, args starlark.Tuple) (starlark.Value, error) {
	if err := errors.Join(e.inside(), want(args, 2, "set_timer(name, ms)")); err != nil {
		return nil, err
	}
	if err := timerName(args[0]); err != nil {
		return nil, err
	}
	n, ok := starlark.AsFloat(args[1])
	switch {
	case !ok:
		return nil, fmt.Errorf("want milliseconds, got a %s", args[1].Type())
	case math.IsNaN(n) || n < 1 || n > float64(maxTimer/time.Millisecond):
		return nil, fmt.Errorf("%v ms: want from 1 to %d", args[1], maxTimer/time.Millisecond)
	case e.calls["on_timer"] == nil:
		return nil, errors.New("there is no on_timer(name) to call")
	}
	return starlark.None, e.set(args[0], time.Duration(n*float64(time.Millisecond)))
}

func cancelTimer(e *end, args starlark.Tuple) (starlark.Value, error) {
	if err := errors.Join(e.inside(), want(args, 1, "cancel_timer(name)")); err != nil {
		return nil, err
	}
	if err := timerName(args[0]); err != nil {
		return nil, err
	}
	return starlark.None, e.set(args[0], 0)
}

func now(e *end, args starlark.Tuple) (starlark.Value, error) {
	return starlark.MakeInt64(e.lane.now().Milliseconds()), want(args, 0, "now()")
}

func logs(e *end, args starlark.Tuple) (starlark.Value, error) {
	var all []string
	for _, v := range args {
		s, err := shown(v)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	e.note(strings.Join(all, " "))
	return starlark.None, nil
}

func packs(e *end, args starlark.Tuple) (starlark.Value, error) {
	var b []byte
	var err error
	for _, v := range args {
		if b, err = pack(b, v, 0); err != nil {
			return nil, err
		}
	}
	if len(args) == 0 {
		return nil, errors.New("want something to pack, as in pack(7, text)")
	}
	return starlark.String(b), nil
}

func unpacks(e *end, args starlark.Tuple) (starlark.Value, error) {
	if err := want(args, 1, "unpack(data)"); err != nil {
		return nil, err
	}
	data, err := words(args[0])
	if err != nil {
		return nil, err
	}
	all, err := unpackAll([]byte(data))
	if err != nil {
		return nil, err
	}
	return all, nil
}

// ranges is Starlark's range, of which nothing makes more than maxRange values.
func ranges(e *end, args starlark.Tuple) (starlark.Value, error) {
	v, err := starlark.Call(e.thread, starlark.Universe["range"], args, nil)
	if err != nil {
		return nil, err
	}
	if starlark.Len(v) > maxRange {
		return nil, fmt.Errorf("more than %d numbers", maxRange)
	}
	return v, nil
}

func str(e *end, args starlark.Tuple) (starlark.Value, error) {
	if err := want(args, 1, "one value"); err != nil {
		return nil, err
	}
	s, err := shown(args[0])
	return starlark.String(s), err
}

// shown is a value as text.
func shown(v starlark.Value) (string, error) {
	if s, ok := starlark.AsString(v); ok {
		return s, nil
	}
	if left := size(v, maxText, 0); left < 0 {
		return "", fmt.Errorf("a %s that would be more than %d bytes of text", v.Type(), maxText)
	}
	return v.String(), nil
}

// size takes from left about as many bytes as a value has as text. It returns
// less than 0 if there are not so many. A list that holds itself ends so, too.
func size(v starlark.Value, left, depth int) int {
	if left -= 4; depth > 100 {
		return -1
	}
	switch v := v.(type) {
	case starlark.String:
		return left - 4*len(v) // in quotes a byte can be four
	case starlark.Bytes:
		return left - 4*len(v)
	case starlark.Int:
		return left - v.BigInt().BitLen()/3
	case starlark.IterableMapping:
		for _, kv := range v.Items() {
			if left = size(kv[1], size(kv[0], left, depth+1), depth+1); left < 0 {
				return left
			}
		}
	case starlark.Iterable:
		it := v.Iterate()
		defer it.Done()
		var x starlark.Value
		for left >= 0 && it.Next(&x) {
			left = size(x, left, depth+1)
		}
	}
	return left
}
