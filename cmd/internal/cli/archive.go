package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/imgsend/imgsend/engine/archive"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/term"
)

// stdin is the name of standard input for --input.
const stdin = "-"

// Stdout is the name of standard output for --output.
const Stdout = "-"

// otherCompression is in the names of archives that would be compressed otherwise.
var otherCompression = regexp.MustCompile(`(?i)\.(t?gz|tgz|t?bz2?|bzip2|tbz2|t?xz|lzma|lz4|lzo|Z)$`)

// Compresses reports whether the name of an archive to write asks for zstd. It refuses one
// that asks for another compression.
func Compresses(file string) (zstd bool, err error) {
	if otherCompression.MatchString(file) {
		return false, fmt.Errorf("--output %s: archives are compressed with zstd alone; name it .tar.zst, or write -o - into a pipe", file)
	}
	return strings.HasSuffix(file, ".zst"), nil
}

// ArchiveToStdout leaves stdout to an archive: results are not printed. It refuses a
// terminal, and --json.
func (v *Voice) ArchiveToStdout() error {
	switch {
	case v.JSON:
		return &UsageError{errors.New("--json and the archive cannot both go to stdout")}
	case term.IsTerminal(int(os.Stdout.Fd())):
		return &UsageError{errors.New("an archive is not for a terminal; name a file, or send stdout to one")}
	}
	v.NoResults()
	return nil
}

// OpenArchive opens the file of --input and says what to call it. The caller closes it.
func OpenArchive(ctx context.Context, name string) (io.ReadCloser, string, error) {
	if name != stdin {
		f, err := OpenInput(ctx, name)
		if err != nil {
			return nil, "", &UsageError{Err: err}
		}
		return f, name, nil
	}
	if term.IsTerminal(int(os.Stdin.Fd())) {
		return nil, "", &UsageError{Err: errors.New("an archive does not come from a terminal; name a file, or send one to stdin")}
	}
	in, err := os.Stdin.Stat()
	if err != nil {
		return nil, "", &UsageError{Err: err}
	}
	if in.Mode().IsRegular() {
		return os.Stdin, "stdin", nil
	}
	return Interruptible(ctx, os.Stdin), "stdin", nil
}

// ReadArchive reads what is in the file of --input, for one platform if that is not nil,
// and gives the images that choose returns. The caller closes the source.
func ReadArchive(ctx context.Context, v *Voice, f io.Reader, platform *ocispec.Platform,
	choose func([]transfer.Image) ([]transfer.Image, error)) (*archive.Source, error) {
	src, err := archive.Open(ctx, f, archive.Options{Platform: platform})
	if err != nil {
		return nil, UnusableArchive(err)
	}
	images, err := choose(src.Images())
	if err == nil {
		err = checkNames(images)
	}
	if err != nil {
		return nil, errors.Join(err, src.Close(nil))
	}
	src.Select(images)
	for _, note := range src.Notes() {
		v.Note(NoteImage, "%s", note)
	}
	return src, nil
}

// UnusableArchive is the error for an archive that is not what it should be: other than
// a broken connection it stays so.
func UnusableArchive(err error) error {
	if transfer.KindOf(err) == transfer.KindBroken {
		return &UsageError{Err: err}
	}
	return err
}

// checkNames reports a name that no image can have.
func checkNames(images []transfer.Image) error {
	for _, m := range images {
		for _, ref := range m.Refs {
			if _, err := store.ParseName(ref); err != nil {
				return &transfer.Error{Kind: transfer.KindUsage, Err: err, Hint: "give the image another name with --as"}
			}
		}
	}
	return nil
}
