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

	// maxPeerAddrs is how many addresses of a peer are kept, the last ones.
	maxPeerAddrs = 4

	// settled is how old a file must be for its size and time to tell whether
	// it changed again: file systems do not count time in nanoseconds.
	settled = 2 * time.Second
)

// Peer is a saved peer.
type Peer struct {
	// ID is who it is.
	ID ID
	// Name is what this host calls it; no two peers have the same.
	Name string
	// Rights are what it may do here.
	Rights Rights
	// Seen is when it was last met, by the clock of this host at that time; zero
	// is never. It is for people to read: nothing is decided by it.
	Seen time.Time
	// Addrs are where it was last reached, the latest first, without ID.
	Addrs []ma.Multiaddr
}

// Damage is a line of the peers file that cannot be used.
type Damage struct {
	// Line is its number, from 1.
	Line int
	// Err says what is wrong with it.
	Err error
}

func (d Damage) String() string { return fmt.Sprintf("line %d: %v", d.Line, d.Err) }

// Book is the file of saved peers: those whom this host lets in, and those it
// finds by name. Several programs may use the file at the same time, and people
// may edit it. The file is text, one peer a line:
//
//	NAME ID LAST-SEEN ADDRESS[,ADDRESS]... [may=RIGHT[,RIGHT]...]
//
// with spaces or tabs in between; the time is that of RFC 3339, and "-" stands
// for no time, no address and no right. The rights are send and fetch. A line
// without rights, as in every file that releases before fetching wrote, gives the
// right to send. Lines that are empty or start with # are
// comments. Comments, lines that cannot be read, and fields after the rights
// are kept as they are when the file is written.
//
// A line that cannot be read, or that has a name or an ID for the second time,
// is no peer; the rest still is. A file that others own or can write, that is in
// such a folder, or that is not there or cannot be read, has no peers.
type Book struct {
	path string

	mu   sync.Mutex
	info fs.FileInfo // of what known was read from; nil for none
	read time.Time   // when
	ids  map[ID]Rights
}

// OpenBook returns the book in the folder home, which need not exist yet. It
// reads nothing before it is asked.
func OpenBook(home string) *Book { return &Book{path: filepath.Join(home, bookFile)} }

// List returns the saved peers, in the order of the file.
func (b *Book) List() ([]Peer, error) {
	p, err := b.load()
	if err != nil {
		return nil, err
	}
	return p.peers(), nil
}

// Damage returns the lines that cannot be used.
func (b *Book) Damage() ([]Damage, error) {
	p, err := b.load()
	if err != nil {
		return nil, err
	}
	return p.damage(), nil
}

// ByName returns the peer of that name, in whatever case it is written.
func (b *Book) ByName(name string) (Peer, bool, error) {
	return b.find(func(p Peer) bool { return p.Name == strings.ToLower(name) })
}

// ByID returns the peer with that key.
func (b *Book) ByID(id ID) (Peer, bool, error) {
	return b.find(func(p Peer) bool { return p.ID == id })
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

// Known reports whether a peer is saved, whatever it may do. It follows the file
// like May.
func (b *Book) Known(id ID) bool {
	_, known := b.rights(id)
	return known
}

// May reports whether a peer is saved and has all of these rights. It looks at the
// file each time, and reads it if it changed, so that what another program adds, grants,
// revokes or forgets counts at once. If the file cannot be read nobody has any right.
func (b *Book) May(id ID, want Rights) bool {
	have, _ := b.rights(id)
	return have.Has(want)
}

// rights returns what a peer may do, and whether it is saved.
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
		// If the file changed since Stat, the next call sees another one.
		b.info, b.read, b.ids = info, now, map[ID]Rights{}
		for _, peer := range p.peers() {
			b.ids[peer.ID] = peer.Rights
		}
	}
	have, known = b.ids[id]
	return have, known
}

// Add saves a peer and returns the name under which it is saved. One that
// is saved already keeps its name and its rights, and gets the time, the addresses and
// the rights of p on top. If
// p.Name belongs to another key, the name gets the first free of the suffixes
// -2, -3 and so on.
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

// Seen notes when, and if addr is not nil where, a peer was met. One that is
// not saved, or no longer, is left alone.
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

// Grant gives the peer of that name, in whatever case it is written, rights on top of
// those that it has. It reports whether there is such a peer.
func (b *Book) Grant(name string, more Rights) (bool, error) {
	return b.setRights(name, func(r Rights) Rights { return r | more })
}

// Revoke takes rights from the peer of that name, in whatever case it is written. A peer
// without any right stays saved. It reports whether there is such a peer.
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

// Forget removes the peer of that name, in whatever case it is written, and
// every other line that has its name or its ID, damaged or not. It reports
// whether there was any.
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

// addAddrs puts fresh before old, without doubles, and drops those that are too
// many.
func addAddrs(fresh, old []ma.Multiaddr) []ma.Multiaddr {
	var out []ma.Multiaddr
	for _, addr := range slices.Concat(fresh, old) {
		if checkAddr(addr) == nil && !slices.ContainsFunc(out, addr.Equal) {
			out = append(out, addr)
		}
	}
	return out[:min(len(out), maxPeerAddrs)]
}

// load reads the file. One that does not exist is empty.
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

// change lets edit change the file while no other program does. Nothing is
// written if edit returns false.
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
