package room

import (
	"context"

	"parley/transport"
)

// Memory is a Log that lives as long as the program.
type Memory struct{ id [16]byte }

// NewMemory returns an empty Memory.
func NewMemory() *Memory { return &Memory{} }

func (m *Memory) ID() [16]byte                                                           { return m.id }
func (m *Memory) Append(ctx context.Context, batch []Entry) ([]Result, error)            { return nil, nil }
func (m *Memory) Tail(ctx context.Context, after uint64, each func([]Entry) error) error { return nil }
func (m *Memory) Page(ctx context.Context, viewer transport.Key, before uint64, n int) ([]Entry, error) {
	return nil, nil
}
func (m *Memory) Search(ctx context.Context, viewer transport.Key, words string, n int) ([]Entry, error) {
	return nil, nil
}
