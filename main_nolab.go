//go:build nolab

package main

import "parley/lanes"

// A labCmd says that this build has no lab.
type labCmd struct{}

// beEngine makes nothing of a process without the lab.
func beEngine([]string) {}

// Run says so.
func (labCmd) Run() error {
	return failed{"this build of parley has no lab: it was left out with the build tag nolab", "take a build with it; parley version says what is in a build"}
}

// packetPage says that there is no page without the lab.
func (p *program) packetPage(*lanes.Recorder) (stop func(), err error) {
	return nil, failed{"this build of parley has no lab, and so no page: it was left out with the build tag nolab", "leave out --page: --lanes shows the packets here"}
}
