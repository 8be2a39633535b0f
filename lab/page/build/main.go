// Build makes lab/page/dist from lab/page/web, whose libraries npm has put
// beside it. The result is committed: who builds the program needs neither.
package main

import (
	"fmt"
	"os"

	"github.com/evanw/esbuild/pkg/api"
)

func main() {
	result := api.Build(api.BuildOptions{
		EntryPoints:       []string{"../web/app.ts", "../web/app.css", "../web/index.html"},
		Loader:            map[string]api.Loader{".html": api.LoaderCopy},
		Bundle:            true,
		Charset:           api.CharsetUTF8,
		Format:            api.FormatESModule,
		Target:            api.ES2022,
		LegalComments:     api.LegalCommentsInline,
		MinifyWhitespace:  true,
		MinifyIdentifiers: true,
		MinifySyntax:      true,
		Outdir:            "../dist",
		Write:             true,
		LogLevel:          api.LogLevelWarning,
	})
	if len(result.Errors) > 0 {
		fmt.Fprintln(os.Stderr, len(result.Errors), "errors")
		os.Exit(1)
	}
}
