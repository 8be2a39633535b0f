package text

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// Valid tells whether a host may keep s as the text of a message: not empty, at
// most [MaxText] bytes of UTF-8, no control characters but line break and tab.
func Valid(s string) error {
	if s == "" {
		return errors.New("the message is empty")
	}
	if len(s) > MaxText {
		return fmt.Errorf("the message has %d bytes and a message may have %d: send it in parts", len(s), MaxText)
	}
	if !utf8.ValidString(s) {
		return errors.New("the message is not valid UTF-8")
	}
	if i := firstControl(s); i >= 0 {
		r, _ := utf8.DecodeRuneInString(s[i:])
		return fmt.Errorf("the message has the control character U+%04X at byte %d; only line breaks and tabs are allowed", r, i)
	}
	return nil
}
