package room

import (
	"bytes"
	"encoding/json"
)

// crowd is the people of one members message. It reads no more of them than one
// may list: sixteen kilobytes of empty objects would be megabytes of people.
type crowd []occupant

// UnmarshalJSON reads an array of people.
func (c *crowd) UnmarshalJSON(b []byte) error {
	*c = (*c)[:0]
	d := json.NewDecoder(bytes.NewReader(b))
	switch open, err := d.Token(); {
	case err != nil:
		return err
	case open == nil: // null
		return nil
	case open != json.Delim('['):
		return errWire
	}
	for d.More() {
		if len(*c) == maxPeople {
			return errWire
		}
		var o occupant
		if err := d.Decode(&o); err != nil {
			return err
		}
		*c = append(*c, o)
	}
	return nil
}
