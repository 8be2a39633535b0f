package main_test

import "errors"

func mkfifo(string) error { return errors.New("this system has none") }
