package peer

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/imgsend/imgsend/peer/internal/state"
	"github.com/libp2p/go-libp2p/core/crypto"
	lpeer "github.com/libp2p/go-libp2p/core/peer"
)

// ID is the fingerprint of a host's public key; its text form starts with
// 12D3Koo.
type ID = lpeer.ID

const (
	// identityFile is the name of the key file inside the home folder.
	identityFile = "identity.key"

	// identityHeader starts the one line of the key file. After it comes the
	// standard base64 of the 32 byte Ed25519 seed (RFC 8032), then a newline.
	identityHeader = "imgsend-ed25519-seed "

	// maxIdentityFile bounds what is read of a file that should hold one line.
	maxIdentityFile = 4096
)

// Home returns the folder that holds this user's identity: $IMGSEND_HOME if
// set, else the folder imgsend in the user's configuration folder. It creates
// nothing.
func Home() (string, error) {
	if home := os.Getenv("IMGSEND_HOME"); home != "" {
		return home, nil
	}
	config, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("find the configuration folder (set IMGSEND_HOME to choose one): %w", err)
	}
	return filepath.Join(config, "imgsend"), nil
}

// LoadIdentity returns the key in home/identity.key, and creates both the
// folder (0700) and the key (0600) where there is none. Processes that do so at
// the same time end with the same key.
//
// The file holds one line: "imgsend-ed25519-seed" and the base64 of the seed. A
// file that holds anything else, that others can read, that belongs to another
// user, or that is in a folder which others own or can write, is an error and is
// left as it is: a key silently replaced would make this host a stranger to
// everyone who knows it.
func LoadIdentity(home string) (crypto.PrivKey, error) {
	path := filepath.Join(home, identityFile)
	key, err := readIdentity(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := createIdentity(path); err != nil {
		return nil, fmt.Errorf("create the identity of this host: %w", err)
	}
	return readIdentity(path)
}

func readIdentity(path string) (crypto.PrivKey, error) {
	data, err := state.Read(path, "the identity of this host", 0o077, maxIdentityFile)
	if err != nil {
		return nil, err
	}
	key, err := parseIdentity(data)
	if err != nil {
		return nil, fmt.Errorf("the identity %s is damaged (%w): restore it from a backup, or remove it to start as a new host that no peer knows yet", path, err)
	}
	return key, nil
}

// parseIdentity says what is wrong without ever quoting the data.
func parseIdentity(data []byte) (crypto.PrivKey, error) {
	if len(data) == 0 {
		return nil, errors.New("it is empty")
	}
	line, rest, ended := bytes.Cut(data, []byte("\n"))
	if !ended {
		return nil, errors.New("it does not end with a newline")
	}
	if len(rest) != 0 {
		return nil, errors.New("it holds more than one line")
	}
	text, ok := bytes.CutPrefix(line, []byte(identityHeader))
	if !ok {
		return nil, fmt.Errorf("it does not start with %q", identityHeader)
	}
	seed, err := base64.StdEncoding.Strict().DecodeString(string(text))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, errors.New("the key in it is not 32 bytes of base64")
	}
	private := ed25519.NewKeyFromSeed(seed)
	return crypto.UnmarshalEd25519PrivateKey(private)
}

// createIdentity puts a new key at path unless there is a file by now.
func createIdentity(path string) error {
	if err := state.MakeFolder(filepath.Dir(path)); err != nil {
		return err
	}
	seed := make([]byte, ed25519.SeedSize)
	if _, err := rand.Read(seed); err != nil {
		return err
	}
	return state.Create(path, identityHeader+base64.StdEncoding.EncodeToString(seed)+"\n")
}

// ParseID reads the text form of an [ID].
func ParseID(s string) (ID, error) {
	id, err := lpeer.Decode(s)
	if err != nil {
		return "", fmt.Errorf("not a peer ID: %w", err)
	}
	return id, nil
}
