// Loads a compose file as `docker compose` does, and prints the project as JSON: main FILE ENV-FILE [PROFILE ...]
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	file, environment, profiles := os.Args[1], os.Args[2], os.Args[3:]
	options, err := cli.NewProjectOptions([]string{file},
		cli.WithEnvFiles(environment), cli.WithDotEnv, cli.WithProfiles(profiles))
	if err == nil {
		project, failure := options.LoadProject(context.Background())
		if err = failure; err == nil {
			var text []byte
			if text, err = project.MarshalJSON(); err == nil {
				fmt.Println(string(text))
				return
			}
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
