//go:build !nolab

package own

import (
	"fmt"
	"time"
)

// A talk is what is said in a run: by A and B in turns, one thing each step.
type talk struct {
	every time.Duration
	texts []string // message i+1
}

// newTalk makes up what is said. Now and then somebody says what was said
// before, and texts hold what careless formats stumble over.
func newTalk(messages int, every time.Duration) talk {
	t := talk{every: every}
	for i := range messages {
		words := [...]string{
			fmt.Sprintf("%s#%d hello", speaker(i+1), i+1),
			fmt.Sprintf("%s#%d who has the notes? | 1, 2: %d; [x] \"y\"", speaker(i+1), i+1, i),
			"ok",
			fmt.Sprintf("%s#%d ça va? 你好 🙂", speaker(i+1), i+1),
			fmt.Sprintf("%s#%d %s", speaker(i+1), i+1, "and then he said that nobody had ever asked him, which was true, and left "),
			fmt.Sprintf("%s#%d two\nlines", speaker(i+1), i+1),
		}[(i/2)%6]
		t.texts = append(t.texts, words)
	}
	return t
}

// speaker is who says a message.
func speaker(msg int) string {
	if msg%2 == 1 {
		return "A"
	}
	return "B"
}

// at is when a message is said.
func (t talk) at(msg int) time.Duration {
	return firstWord + time.Duration(msg-1)*t.every/2
}

// of are the messages that one says.
func (t talk) of(who string) (msgs []int) {
	for i := range t.texts {
		if speaker(i+1) == who {
			msgs = append(msgs, i+1)
		}
	}
	return msgs
}
