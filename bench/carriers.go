package main

func init() {
	commands["carriers"] = command{"udp and tcp beside TCP, TLS, QUIC and bare datagrams", carriers}
}

func carriers(args []string) error {
	if ran, err := asPart(args); ran {
		return err
	}
	return nil
}
