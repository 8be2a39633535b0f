package talk

import (
	"fmt"

	"parley/room"
	"parley/text"
)

// transfer puts in words what becomes of a file. Progress has none: whoever has a
// place for it draws it, or says [Progress] now and then.
func (w *Words) transfer(e room.Event) (head string, body []string) {
	if e.File == nil {
		return "", nil
	}
	name, from, to := text.Clean(e.File.Name), w.name(e.From), w.name(e.To)
	what := name + " (" + text.Size(e.File.Size) + ")"
	why := ""
	if e.Text != "" {
		why = ": " + text.Clean(e.Text)
	}
	switch e.State {
	case room.FileOffered:
		if e.Own {
			return "* " + what + " is offered to " + to + fmt.Sprintf(": /cancel %d takes it back", e.File.N), nil
		}
		return "* " + from + " offers you the file " + what + fmt.Sprintf(": /take %d or /refuse %d", e.File.N, e.File.N), nil
	case room.FileTaken:
		if e.Own {
			return "* " + to + " takes " + what, nil
		}
		return "* taking " + what + " from " + from, nil
	case room.FileDone:
		if e.Own {
			return "* " + to + " has " + what + " now, whole and checked", nil
		}
		return "* " + what + " from " + from + " is here, whole and checked: " + text.Clean(e.File.Path), nil
	case room.FileDeclined:
		if e.Own {
			return "* " + to + " does not take " + name + why, nil
		}
		return "* you do not take " + name + " from " + from, nil
	case room.FileCancelled:
		return "* " + name + between(e, from, to) + " is off" + why, nil
	case room.FileFailed:
		return "! " + name + between(e, from, to) + " did not go through" + why, nil
	}
	return "", nil
}

func between(e room.Event, from, to string) string {
	if e.Own {
		return " to " + to
	}
	return " from " + from
}

// Progress tells in words how far a file has come.
func (w *Words) Progress(e room.Event) string {
	if e.File == nil {
		return ""
	}
	return text.Clean(e.File.Name) + between(e, w.name(e.From), w.name(e.To)) + ": " + progress(*e.File)
}

func progress(f room.File) string {
	words := fmt.Sprintf("%d %% of %s", Percent(f), text.Size(f.Size))
	if f.Rate > 0 {
		words += ", " + text.Size(f.Rate) + "/s"
	}
	return words
}

// Percent is how much of a file is there, in whole percent.
func Percent(f room.File) int {
	if f.Size <= 0 {
		return 0
	}
	return int(min(100, float64(f.Bytes)/float64(f.Size)*100))
}

// listed answers /files.
func (w *Words) listed(e room.Event) []string {
	if len(e.Files) == 0 {
		return []string{"no files are under way: /send NICK FILE offers one"}
	}
	var lines []string
	for _, f := range e.Files {
		way := w.party(f.From) + " → " + w.party(f.To)
		state := text.Clean(f.State)
		if f.State == room.FileProgress {
			state = progress(f)
		}
		lines = append(lines, fmt.Sprintf("%d  %s  %s (%s)  %s", f.N, way, text.Clean(f.Name), text.Size(f.Size), state))
	}
	return lines
}
