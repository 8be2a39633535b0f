package main_test

import "runtime"

const windows = runtime.GOOS == "windows"
