//go:build !nolab

package own

import (
	"fmt"

	"go.starlark.net/starlark"
)

// state is what an end of a transport remembers between two callbacks. It takes
// both spellings: state.next and state["next"].
type state struct{ dict *starlark.Dict }

var (
	_ starlark.HasSetField = (*state)(nil)
	_ starlark.HasSetKey   = (*state)(nil)
	_ starlark.Iterable    = (*state)(nil)
)

func newState() *state { return &state{starlark.NewDict(8)} }

func (s *state) String() string        { return "state" }
func (s *state) Type() string          { return "state" }
func (s *state) Freeze()               {} // it is what does not freeze
func (s *state) Truth() starlark.Bool  { return true }
func (s *state) Hash() (uint32, error) { return 0, fmt.Errorf("state is no key") }
func (s *state) AttrNames() (names []string) {
	for _, k := range s.dict.Keys() {
		if name, ok := starlark.AsString(k); ok {
			names = append(names, name)
		}
	}
	return names
}

// Attr implements starlark.HasAttrs.
func (s *state) Attr(name string) (starlark.Value, error) {
	v, found, err := s.dict.Get(starlark.String(name))
	if err == nil && !found {
		return nil, fmt.Errorf("state has no %s: set it in on_start, as in state.%s = 0", name, name)
	}
	return v, err
}

// SetField implements starlark.HasSetField.
func (s *state) SetField(name string, v starlark.Value) error {
	return s.SetKey(starlark.String(name), v)
}

// Get implements starlark.Mapping.
func (s *state) Get(k starlark.Value) (starlark.Value, bool, error) { return s.dict.Get(k) }

// SetKey implements starlark.HasSetKey.
func (s *state) SetKey(k, v starlark.Value) error { return s.dict.SetKey(k, v) }

// Iterate implements starlark.Iterable.
func (s *state) Iterate() starlark.Iterator { return s.dict.Iterate() }
