// Types checks the types of packages and of their tests, and of all that these import, for the
// system that GOOS and GOARCH name: from their sources, so that nothing is compiled. For
// what parley imports a compiler takes twenty times as long.
//
//	GOOS=windows GOARCH=amd64 types [PACKAGE…]
//
// It prints what is wrong, and how many packages it looked at. The exit code is 1 if something is.
package main

import (
	"fmt"
	"os"

	"golang.org/x/tools/go/packages"
)

// mode has no NeedTypesInfo: without it the bodies of what is imported are passed over.
const mode = packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports |
	packages.NeedDeps | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesSizes

func main() {
	all, err := packages.Load(&packages.Config{Mode: mode, Tests: true}, os.Args[1:]...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if packages.PrintErrors(all) > 0 || len(all) == 0 {
		os.Exit(1)
	}
	fmt.Println(len(all), "packages")
}
