package main

import "runtime"

const windows = runtime.GOOS == "windows"
