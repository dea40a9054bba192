// Command rasad is the live map of a city in an emergency: one binary that holds
// the world in memory, records each change before anyone sees it, and streams it
// to every screen.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
)

// build is the version, set by the Makefile.
var build = "unversioned"

// env is what a subcommand may touch of the process around it, so that a test
// can run one without a process.
type env struct {
	getenv func(string) string
	out    io.Writer // results
	err    io.Writer // logs and errors
	tty    bool      // err is a terminal
}

type command struct {
	name, usage string
	run         func(ctx context.Context, e env, args []string) error
}

var commands = append([]command{
	{"serve", "--listen 127.0.0.1:8080 --data DIR [--city DIR] [--preset ir|cn|us] [--demo] [--nats nats://…] [--config FILE]", serve},
	{"city build", "IN.osm.pbf --out DIR [--bbox W,S,E,N] [--overlay FILE.geojson|csv …]", cityBuild},
	{"simulate", "--server URL --token TOKEN [--units N] [--hz R] [--seed S]", simulate},
	{"token list", "--data DIR", tokenList},
	{"token rotate", "ID --data DIR [--overlap DURATION]", tokenRotate},
	{"token revoke", "ID --data DIR [--why TEXT]", tokenRevoke},
	{"token release", "ID --data DIR", tokenRelease},
	{"history", "--data DIR (--days N | --for DURATION) [--preset ir|cn|us] [--city DIR] [--from T] [--seed S] [--units N] [--every DURATION] [--bad-night T]", writeHistory},
	{"token", "--data DIR --role ROLE --name NAME [--moves 'E*,M7'] [--creates] [--feed NAME] [--agency A,B] [--shelter KEY,…] [--worlds A,B] [--per-second N] [--expires DURATION]", token},
	{"export", "--data DIR --from T --to T [--format frames|geojson|csv|gpx]", export},
	{"check", "--data DIR", check},
	{"audit key", "--data DIR", auditKey},
	{"audit verify", "--data DIR [--heads FILE] [--key PUBKEY,…] [--json]", auditVerify},
	{"audit list", "--data DIR [--from T] [--to T] [--who NAME] [--act NAME] [--feature KEY] [--json]", auditList},
	{"audit erase", "--data DIR --incident KEY --why TEXT [--field caller]", auditErase},
	{"version", "", version},
}, peopleCommands...)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fi, err := os.Stderr.Stat()
	e := env{getenv: os.Getenv, out: os.Stdout, err: os.Stderr, tty: err == nil && fi.Mode()&os.ModeCharDevice != 0}
	os.Exit(run(ctx, e, os.Args[1:]))
}

// run finds the subcommand and returns the exit status: 0, 1 (failed), 2 (usage).
func run(ctx context.Context, e env, args []string) int {
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		help(e.out)
		if len(args) == 0 {
			return 2
		}
		return 0
	}
	for _, c := range commands {
		words := strings.Fields(c.name)
		if len(args) < len(words) || strings.Join(args[:len(words)], " ") != c.name {
			continue
		}
		err := c.run(ctx, e, args[len(words):])
		var usage *usageError
		switch {
		case err == nil:
			return 0
		case errors.Is(err, flag.ErrHelp):
			fmt.Fprintf(e.out, "rasad %s %s\n", c.name, c.usage)
			return 0
		case errors.As(err, &usage):
			fmt.Fprintf(e.err, "rasad: %v\nusage: rasad %s %s\n", err, c.name, c.usage)
			return 2
		default:
			fmt.Fprintf(e.err, "rasad: %v\n", err)
			return 1
		}
	}
	fmt.Fprintf(e.err, "rasad: there is no command %q\n", strings.Join(args[:min(2, len(args))], " "))
	help(e.err)
	return 2
}

func help(w io.Writer) {
	fmt.Fprintln(w, "Rasad, the live map of a city in an emergency.")
	for _, c := range commands {
		fmt.Fprintf(w, "  rasad %s %s\n", c.name, c.usage)
	}
	fmt.Fprintln(w, "Every flag has an environment variable (--listen: RASAD_LISTEN) and, for serve, a place in the config file.")
}

// logger writes JSON lines, or text on a terminal.
func (e env) logger() *slog.Logger {
	if e.tty {
		return slog.New(slog.NewTextHandler(e.err, nil))
	}
	return slog.New(slog.NewJSONHandler(e.err, nil))
}

func version(_ context.Context, e env, args []string) error {
	f := newFlags("version")
	if err := f.parse(args, func(string) string { return "" }); err != nil {
		return err
	}
	if err := f.want(); err != nil {
		return err
	}
	revision := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	_, err := fmt.Fprintf(e.out, "rasad %s (%s, %s/%s, revision %s)\n", build, runtime.Version(), runtime.GOOS, runtime.GOARCH, revision)
	return err
}
