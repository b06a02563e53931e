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

// ID identifies a host by its public key. Its text form starts with 12D3Koo.
type ID = lpeer.ID

const (
	// identityFile is the name of the key file inside the home folder.
	identityFile = "identity.key"

	// identityHeader is the start of the one line in the key file. It is followed by the 32
	// byte Ed25519 seed (RFC 8032) in standard base64 and a newline.
	identityHeader = "imgsend-ed25519-seed "

	// maxIdentityFile is how many bytes of the key file are read.
	maxIdentityFile = 4096
)

// Home returns the folder of this user's identity and saved peers: $IMGSEND_HOME if set, or
// else the folder imgsend in the user's configuration folder. It does not create the folder.
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

// LoadIdentity returns the key in home/identity.key. If there is none, it creates the folder
// (mode 0700) and the key (mode 0600). Processes that create it at the same time all return the
// same key.
//
// The file contains one line: "imgsend-ed25519-seed", a space and the seed in base64.
// LoadIdentity returns an error and does not change the file if its content differs, if others
// can read it, if it belongs to another user, or if its folder belongs to another user or is
// writable by others. It never replaces a key: with another key this host would be a stranger
// to all its peers.
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

// parseIdentity parses the content of the key file. Its errors do not quote data.
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

// createIdentity writes a new key to path, unless the file exists.
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

// ParseID parses the text form of an [ID].
func ParseID(s string) (ID, error) {
	id, err := lpeer.Decode(s)
	if err != nil {
		return "", fmt.Errorf("not a peer ID: %w", err)
	}
	return id, nil
}
