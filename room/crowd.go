package room

import (
	"bytes"
	"encoding/json"
)

// crowd is the people of one members message. It reads no more of them than one
// may list: sixteen kilobytes of empty objects would be megabytes of people.
type crowd []occupant

// UnmarshalJSON reads an array of people.
func (c *crowd) UnmarshalJSON(b []byte) (err error) {
	*c, err = few((*c)[:0], b, maxPeople)
	return err
}

// found is the events of one answer about the log, each as it is on the wire.
// They are read one by one, so that none holds others in turn.
type found []json.RawMessage

// UnmarshalJSON reads an array of events.
func (f *found) UnmarshalJSON(b []byte) (err error) {
	*f, err = few((*f)[:0], b, maxFoundIn)
	return err
}

// few reads an array of at most so many.
func few[T any](all []T, b []byte, most int) ([]T, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	switch open, err := d.Token(); {
	case err != nil:
		return nil, err
	case open == nil: // null
		return nil, nil
	case open != json.Delim('['):
		return nil, errWire
	}
	for d.More() {
		if len(all) == most {
			return nil, errWire
		}
		var one T
		if err := d.Decode(&one); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}
