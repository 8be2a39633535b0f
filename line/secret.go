package line

import "parley/talk"

// secretFrom is where the part of a line begins that nobody should see.
func secretFrom(line string) int { return talk.Secret(line) }

// veiled is a line as it is shown, and the place in it of the cursor at pos.
func veiled(line string, pos int) (string, int) { return talk.Veiled(line, pos) }
