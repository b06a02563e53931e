package peer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/imgsend/imgsend/peer/internal/state"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	// bookFile is the name of the file of saved peers inside the home folder.
	bookFile = "peers"

	// maxBook bounds that file, in bytes.
	maxBook = 1 << 20

	// maxPeerAddrs is how many addresses of a peer are kept. Older ones are dropped.
	maxPeerAddrs = 4

	// settled is the least age of a file when it is read at which its size and time reveal a
	// later change: file systems round modification times. A file read earlier is read again on
	// each call.
	settled = 2 * time.Second
)

// Peer is a saved peer.
type Peer struct {
	// ID identifies the peer's key.
	ID ID
	// Name is the peer's name on this host. Names are unique in a Book.
	Name string
	// Rights are what the peer may do on this host.
	Rights Rights
	// Seen is when the peer was last connected, by the clock of this host at that time. The
	// zero time means never. It is shown to the user and decides nothing.
	Seen time.Time
	// Addrs are the addresses where the peer was last reached, the latest first, without
	// /p2p/ID.
	Addrs []ma.Multiaddr
}

// Damage is a line of the peers file that cannot be used.
type Damage struct {
	// Line is the line number, from 1.
	Line int
	// Err says what is wrong with the line.
	Err error
}

func (d Damage) String() string { return fmt.Sprintf("line %d: %v", d.Line, d.Err) }

// Book is the file of saved peers: the peers that this host lets in and that it finds by name.
// Several programs may use the file at the same time, and users may edit it. The file is text
// with one peer per line:
//
//	NAME ID LAST-SEEN ADDRESS[,ADDRESS]... [may=RIGHT[,RIGHT]...]
//
// The fields are separated by spaces or tabs. LAST-SEEN is a time in the format of RFC 3339.
// "-" means no time, no address or no right. The rights are send and fetch. A line without
// rights gives the right to send: older releases wrote only such lines. Empty lines and lines
// that start with # are comments. Comments, lines that cannot be parsed, and fields after the
// rights are kept unchanged when the file is written.
//
// A line is damaged, and its peer is not saved, if it cannot be parsed or repeats a name or an
// ID. The other lines still count. Methods return an error, and no peer has any right, if the
// file or its folder belongs to another user than this one and root, if others can write to it,
// or if the file cannot be read. A file that does not exist has no peers.
type Book struct {
	path string

	mu   sync.Mutex
	info fs.FileInfo // file information when ids was read; nil if ids is not valid
	read time.Time   // when ids was read
	ids  map[ID]Rights
}

// OpenBook returns the book in the folder home, which need not exist yet. The file is read only
// when a method needs it.
func OpenBook(home string) *Book { return &Book{path: filepath.Join(home, bookFile)} }

// List returns the saved peers in the order of the file.
func (b *Book) List() ([]Peer, error) {
	p, err := b.load()
	if err != nil {
		return nil, err
	}
	return p.peers(), nil
}

// Damage returns the damaged lines.
func (b *Book) Damage() ([]Damage, error) {
	p, err := b.load()
	if err != nil {
		return nil, err
	}
	return p.damage(), nil
}

// ByName returns the peer with that name. Case is ignored.
func (b *Book) ByName(name string) (Peer, bool, error) {
	return b.find(func(p Peer) bool { return p.Name == strings.ToLower(name) })
}

// ByID returns the peer with that ID.
func (b *Book) ByID(id ID) (Peer, bool, error) {
	return b.find(func(p Peer) bool { return p.ID == id })
}

// Called returns the name under which a peer is saved, or its ID if it is not.
func (b *Book) Called(id ID) string {
	if p, ok, err := b.ByID(id); err == nil && ok {
		return p.Name
	}
	return id.String()
}

func (b *Book) find(match func(Peer) bool) (Peer, bool, error) {
	peers, err := b.List()
	if err != nil {
		return Peer{}, false, err
	}
	if i := slices.IndexFunc(peers, match); i >= 0 {
		return peers[i], true, nil
	}
	return Peer{}, false, nil
}

// Known reports whether a peer is saved, whatever its rights. Like May, it reads the file again
// if it has changed.
func (b *Book) Known(id ID) bool {
	_, known := b.rights(id)
	return known
}

// May reports whether a peer is saved and has all the rights in want. It checks the file on
// each call and reads it again if it has changed, so that changes by other programs count at
// once. If the file cannot be read, no peer has any right.
func (b *Book) May(id ID, want Rights) bool {
	have, _ := b.rights(id)
	return have.Has(want)
}

// rights returns the rights of a peer and whether it is saved.
func (b *Book) rights(id ID) (have Rights, known bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	info, err := os.Stat(b.path)
	if err == nil {
		err = state.CheckFolder(filepath.Dir(b.path))
	}
	if err != nil {
		b.info, b.ids = nil, nil
		return 0, false
	}
	if b.info == nil || !os.SameFile(b.info, info) || b.info.Size() != info.Size() ||
		!b.info.ModTime().Equal(info.ModTime()) || b.info.Mode() != info.Mode() ||
		b.read.Sub(info.ModTime()).Abs() < settled {
		now := time.Now()
		p, err := b.load()
		if err != nil {
			b.info, b.ids = nil, nil
			return 0, false
		}
		// If the file changed after Stat, the next call finds other file information and reads
		// it again.
		b.info, b.read, b.ids = info, now, map[ID]Rights{}
		for _, peer := range p.peers() {
			b.ids[peer.ID] = peer.Rights
		}
	}
	have, known = b.ids[id]
	return have, known
}

// Add saves a peer and returns the name under which it is saved. A peer that is already saved
// keeps its name and rights, and gets the time, the addresses and the additional rights of p.
// If another peer has the name p.Name, the name gets the first unused suffix of -2, -3 and so
// on.
func (b *Book) Add(p Peer) (string, error) {
	if err := p.ID.Validate(); err != nil {
		return "", fmt.Errorf("save peer: %w", err)
	}
	if err := CheckName(p.Name); err != nil {
		return "", fmt.Errorf("save peer: %w", err)
	}
	name := p.Name
	err := b.change(func(page *page) bool {
		if line := page.byID(p.ID); line != nil {
			name = line.peer.Name
			line.peer.Seen = p.Seen
			line.peer.Rights |= p.Rights
			line.peer.Addrs = addAddrs(p.Addrs, line.peer.Addrs)
			line.changed = true
			return true
		}
		for n := 2; page.nameTaken(name); n++ {
			name = suffixed(p.Name, n)
		}
		page.add(Peer{ID: p.ID, Name: name, Rights: p.Rights, Seen: p.Seen, Addrs: addAddrs(p.Addrs, nil)})
		return true
	})
	if err != nil {
		return "", fmt.Errorf("save peer %s: %w", p.Name, err)
	}
	return name, nil
}

// Seen saves when a peer was connected and, if addr is not nil, where. It does nothing if the
// peer is not saved.
func (b *Book) Seen(id ID, addr ma.Multiaddr, when time.Time) error {
	err := b.change(func(page *page) bool {
		line := page.byID(id)
		if line == nil {
			return false
		}
		line.peer.Seen = when
		if addr != nil {
			line.peer.Addrs = addAddrs([]ma.Multiaddr{addr}, line.peer.Addrs)
		}
		line.changed = true
		return true
	})
	if err != nil {
		return fmt.Errorf("note when a peer was seen: %w", err)
	}
	return nil
}

// Grant adds rights to the peer with that name. Case is ignored. It reports whether there is
// such a peer.
func (b *Book) Grant(name string, more Rights) (bool, error) {
	return b.setRights(name, func(r Rights) Rights { return r | more })
}

// Revoke removes rights from the peer with that name. Case is ignored. A peer without rights
// stays saved. It reports whether there is such a peer.
func (b *Book) Revoke(name string, less Rights) (bool, error) {
	return b.setRights(name, func(r Rights) Rights { return r &^ less })
}

func (b *Book) setRights(name string, change func(Rights) Rights) (bool, error) {
	found := false
	err := b.change(func(page *page) bool {
		line := page.byName(strings.ToLower(name))
		if line == nil {
			return false
		}
		found = true
		old := line.peer.Rights
		line.peer.Rights = change(old)
		line.changed = line.peer.Rights != old
		return line.changed
	})
	if err != nil {
		return false, fmt.Errorf("change what a peer may do: %w", err)
	}
	return found, nil
}

// Forget removes the peer with that name, and every other line with the same name or ID,
// damaged or not. Case is ignored. It reports whether it removed a line.
func (b *Book) Forget(name string) (bool, error) {
	found := false
	err := b.change(func(page *page) bool {
		found = page.remove(strings.ToLower(name))
		return found
	})
	if err != nil {
		return false, fmt.Errorf("forget peer: %w", err)
	}
	return found, nil
}

// addAddrs returns fresh followed by old, without duplicates and without addresses that cannot
// be dialed, and at most maxPeerAddrs of them.
func addAddrs(fresh, old []ma.Multiaddr) []ma.Multiaddr {
	var out []ma.Multiaddr
	for _, addr := range slices.Concat(fresh, old) {
		if checkAddr(addr) == nil && !slices.ContainsFunc(out, addr.Equal) {
			out = append(out, addr)
		}
	}
	return out[:min(len(out), maxPeerAddrs)]
}

// load reads and parses the file. A file that does not exist gives an empty page.
func (b *Book) load() (*page, error) {
	data, err := state.Read(b.path, "the saved peers", 0o022, maxBook)
	if errors.Is(err, fs.ErrNotExist) {
		return &page{}, nil
	}
	if err != nil {
		return nil, err
	}
	if len(data) > maxBook {
		return nil, fmt.Errorf("read the saved peers: %s is larger than %d bytes", b.path, maxBook)
	}
	return parsePage(string(data)), nil
}

// change locks the file, calls edit, and writes the file if edit returns true.
func (b *Book) change(edit func(*page) bool) error {
	if err := state.MakeFolder(filepath.Dir(b.path)); err != nil {
		return err
	}
	unlock, err := state.Lock(b.path + ".lock")
	if err != nil {
		return err
	}
	defer unlock()
	page, err := b.load()
	if err != nil {
		return err
	}
	if !edit(page) {
		return nil
	}
	text := page.String()
	if len(text) > maxBook {
		return fmt.Errorf("%s would be larger than %d bytes", b.path, maxBook)
	}
	return state.Replace(b.path, text)
}
