package main

// crowd measures a host that many people sit at and say nothing.
func (f *wholeFlags) crowd() error { return nil }
