package main

import (
	"context"
	"errors"

	"parley/node"
)

// continueRooms makes new rooms of what is known here of old ones, for
// parley host --continue.
func (p *program) continueRooms(ctx context.Context, n *node.Node, names []string) error {
	dir, err := p.dataDir()
	if err != nil {
		return err
	}
	keys := node.Keys{Dir: dir, Warn: func(text string) { p.talk("%s", text) }}
	for _, name := range names {
		read := p.slowly("reading what is kept of "+name, nil)
		c, err := n.Continue(ctx, name, keys.Renew)
		read()
		var unsaved *node.UnsavedError
		if errors.As(err, &unsaved) {
			return &node.Error{Code: node.CodeKeyFile, Text: unsaved.Error(), Hint: "a room that goes on needs a place for its key"}
		}
		if err != nil {
			return err
		}
		what := "what you saw of it"
		if !c.Old.Copy {
			what = "what was said in its log"
		}
		p.talk("%s goes on as a new room, with %s (messages: %d).", name, what, c.Messages)
		if n.Plaintext {
			continue
		}
		p.talk("It has a new key. Who sat in the old one is warned of that, and has to accept it, after comparing the words:")
		p.talkWords("  parley pins accept %s %s", node.Quoted(name), c.Key)
	}
	return nil
}
