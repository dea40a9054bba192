package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"rasad/server/access"
)

func token(_ context.Context, e env, args []string) error {
	f := newFlags("token")
	data := f.String("data", "", "folder that keeps the record")
	role := f.String("role", "", "what the program may do")
	name := f.String("name", "", "whose token it is")
	if err := f.parse(args, e.getenv); err != nil {
		return err
	}
	if err := f.want(); err != nil {
		return err
	}
	for _, given := range []struct{ flag, value string }{{"data", *data}, {"role", *role}, {"name", *name}} {
		if given.value == "" {
			return usagef("--%s is missing", given.flag)
		}
	}
	if err := os.MkdirAll(*data, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	tokens, err := access.OpenTokens(*data)
	if err != nil {
		return err
	}
	t, err := tokens.Issue(*role, *name, time.Now())
	if errors.Is(err, access.ErrRole) || errors.Is(err, access.ErrName) {
		return usagef("%v", err)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.out, t)
	return err
}
