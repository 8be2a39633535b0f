package main

import (
	"os"
	"runtime"

	"golang.org/x/term"

	"parley/line"
)

// Values of --qr, and the size of a terminal that does not say.
const (
	qrAuto = "auto"
	qrOn   = "on"
	qrOff  = "off"

	usualWidth, usualHeight = 80, 24
)

// Rows that follow the code and should leave all of it on the screen: of the
// greeting of a room and the prompt, and of the link below it and the prompt.
const (
	greetingRows = 4
	linkRows     = 3
)

// qr draws a link for cameras, where the terminal to is one on which a camera can
// read it. So many rows come below it; if the terminal is too small for both, they
// push the code up a little.
func (p *program) qr(to any, link string, below int) []string {
	wanted := p.flags.Host.QR
	color := isTerminal(to) && line.WantColor(os.Getenv)
	switch {
	case p.flags.JSON || wanted == qrOff:
		return nil
	case wanted == qrOn && !isTerminal(to):
		return line.QR(link, usualWidth, 2*usualHeight, false)
	case wanted != qrOn && (!color || p.flags.Plain || !line.WantUTF8(os.Getenv, runtime.GOOS == "windows")):
		return nil
	}
	w, h, err := term.GetSize(int(to.(*os.File).Fd()))
	if err != nil || w == 0 || h == 0 {
		w, h = usualWidth, usualHeight
	}
	if rows := line.QR(link, w, h-below, color); rows != nil {
		return rows
	}
	return line.QR(link, w, h, color)
}
