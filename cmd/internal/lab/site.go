package lab

import (
	"context"
	"errors"
	"os"
)

// A Site is where a program tries imgsend and imgrecv out: a temporary folder with the
// built programs, and a link with a runner of the programs at its two ends.
type Site struct {
	Folder   string
	Programs *Programs
	Link     *Link
	Runner   *Runner
}

// Open sets up a site whose link carries rate bits a second in each direction; 0 is no
// limit. The names of the folder and of the namespaces begin with owner. The caller
// closes the site.
func Open(ctx context.Context, owner string, rate int64) (*Site, error) {
	folder, err := os.MkdirTemp("", owner+"-")
	if err != nil {
		return nil, err
	}
	s := &Site{Folder: folder}
	if err := s.open(ctx, owner, rate); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Site) open(ctx context.Context, owner string, rate int64) (err error) {
	if s.Programs, err = Build(ctx, s.Folder); err != nil {
		return err
	}
	if s.Link, err = NewLink(ctx, owner, rate); err != nil {
		return err
	}
	s.Runner = NewRunner(s.Link, s.Programs, s.Folder)
	return nil
}

// Close removes the link and the folder.
func (s *Site) Close() error {
	var err error
	if s.Link != nil {
		err = s.Link.Close()
	}
	return errors.Join(err, os.RemoveAll(s.Folder))
}
