//go:build !nolab

package lab

import "parley/lab/wire"

// wireSettings are those that say how a wire is, for whoever runs something else
// than a lesson on it.
var wireSettings = []string{"delay", "loss", "dup", "reorder", "corrupt"}

// Wire is the wire that the settings ask for; others may not be among them. The
// error is a *SettingError.
func (s Settings) Wire() (wire.Way, error) {
	v, err := Lesson{Name: "own", Uses: wireSettings}.read(s)
	if err != nil {
		return wire.Way{}, err
	}
	if v.From != "" {
		return wire.Way{}, &SettingError{"loss", s["loss"], "both ways lose the same share here: want a share, as in 2%"}
	}
	return v.Way, nil
}
