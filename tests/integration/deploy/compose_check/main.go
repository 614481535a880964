// compose_check reads compose files as Docker Compose does and prints what it makes of them as JSON.
//
//	compose_check ENV_FILE PROFILES FILE...
//
// PROFILES are separated by commas; "*" takes all, "" those of COMPOSE_PROFILES in ENV_FILE, as `docker compose` does. The exit code is 1, with the parser's sentence on standard error,
// when a file is wrong or a required variable is missing. Nothing of the process's own environment is used.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: compose_check ENV_FILE PROFILES FILE...")
		os.Exit(2)
	}
	read, err := project(os.Args[1], strings.FieldsFunc(os.Args[2], comma), os.Args[3:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Stdout.Write(read)
}

func comma(letter rune) bool { return letter == ',' }

func project(envFile string, profiles, files []string) ([]byte, error) {
	options, err := cli.NewProjectOptions(files,
		cli.WithWorkingDirectory(filepath.Dir(files[0])),
		cli.WithEnvFiles(envFile),
		cli.WithDotEnv,
		cli.WithDefaultProfiles(profiles...),
		cli.WithResolvedPaths(false),
	)
	if err != nil {
		return nil, err
	}
	read, err := options.LoadProject(context.Background())
	if err != nil {
		return nil, err
	}
	return read.MarshalJSON()
}
