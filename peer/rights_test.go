package peer_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/imgsend/imgsend/peer"
)

func TestRights(t *testing.T) {
	for rights, want := range map[peer.Rights]string{
		0: "-", peer.MaySend: "send", peer.MayFetch: "fetch", peer.MaySend | peer.MayFetch: "send,fetch",
	} {
		if got := rights.String(); got != want {
			t.Errorf("%d is %q, want %q", rights, got, want)
		}
		for _, asked := range []peer.Rights{0, peer.MaySend, peer.MayFetch, peer.MaySend | peer.MayFetch} {
			want := asked != 0
			for _, one := range asked.Words() {
				want = want && strings.Contains(rights.String(), one)
			}
			if got := rights.Has(asked); got != want {
				t.Errorf("%v has %v: %v", rights, asked, got)
			}
		}
	}
}

// TestBookRights parses each form of the rights in a line, valid and invalid.
func TestBookRights(t *testing.T) {
	book := peer.OpenBook(t.TempDir())
	id := parseID(t, someID)
	const send, fetch = peer.MaySend, peer.MayFetch
	for field, want := range map[string]struct {
		rights  peer.Rights
		damaged bool
	}{
		"":                   {send, false},
		" colour=blue":       {send, false}, // written by another version or a user
		" may=send":          {send, false},
		" may=fetch":         {fetch, false},
		" may=send,fetch":    {send | fetch, false},
		" may=fetch,send x":  {send | fetch, false},
		"\tmay=-":            {0, false},
		" may=- colour=blue": {0, false},
		" may=":              {0, true},
		" may=all":           {0, true},
		" may=send,":         {0, true},
		" may=send,send":     {0, true},
		" may=send,-":        {0, true},
		" may=Send":          {0, true},
		" MAY=fetch":         {0, true},
		" may:fetch":         {0, true},
		" maybe":             {0, true},
		" fetch":             {0, true},
		" send":              {0, true},
		" -":                 {0, true},
		" x may=-":           {0, true},
		" may=fetch may=-":   {0, true},
	} {
		writeBook(t, book, "box "+someID+" - -"+field+"\n")
		damage, err := book.Damage()
		if err != nil || len(damage) > 0 != want.damaged {
			t.Errorf("%q: damage %v, error %v", field, damage, err)
		}
		if book.May(id, send) != want.rights.Has(send) || book.May(id, fetch) != want.rights.Has(fetch) ||
			book.May(id, send|fetch) != want.rights.Has(send|fetch) || book.May(id, 0) || book.Known(id) == want.damaged {
			t.Errorf("%q: the rights are not %v", field, want.rights)
		}
		if p, found, _ := book.ByID(id); found == want.damaged || p.Rights != want.rights {
			t.Errorf("%q: found %+v", field, p)
		}
	}
}

// TestBookGrant adds and removes rights, and checks that the rest of the line does not change.
func TestBookGrant(t *testing.T) {
	book := peer.OpenBook(t.TempDir())
	id := parseID(t, someID)
	writeBook(t, book, "# mine\nbox "+someID+" - - colour=blue\n")
	for _, step := range []struct {
		what string
		do   func() (bool, error)
		want string
	}{
		{"grant fetch", func() (bool, error) { return book.Grant("BOX", peer.MayFetch) }, " may=send,fetch colour=blue"},
		{"again", func() (bool, error) { return book.Grant("box", peer.MayFetch) }, " may=send,fetch colour=blue"},
		{"revoke send", func() (bool, error) { return book.Revoke("box", peer.MaySend) }, " may=fetch colour=blue"},
		{"met by a code", func() (bool, error) { return add(t, book, id, "other") == "box", nil }, " may=send,fetch colour=blue"},
		{"revoke all", func() (bool, error) { return book.Revoke("box", peer.MaySend|peer.MayFetch) }, " may=- colour=blue"},
		{"met by its code", func() (bool, error) {
			name, err := book.Add(peer.Peer{ID: id, Name: "box", Seen: noon})
			return name == "box", err
		}, " may=- colour=blue"},
		{"grant send", func() (bool, error) { return book.Grant("box", peer.MaySend) }, " colour=blue"},
	} {
		if found, err := step.do(); !found || err != nil {
			t.Fatalf("%s: %v, %v", step.what, found, err)
		}
		if got := readBook(t, book); !strings.HasPrefix(got, "# mine\nbox ") || !strings.HasSuffix(got, " -"+step.want+"\n") {
			t.Errorf("%s: the file is %q", step.what, got)
		}
		p, _, _ := book.ByID(id)
		for _, right := range []peer.Rights{peer.MaySend, peer.MayFetch} {
			if book.May(id, right) != p.Rights.Has(right) {
				t.Errorf("%s: %v is %v", step.what, right, book.May(id, right))
			}
		}
	}
	for _, do := range []func(string, peer.Rights) (bool, error){book.Grant, book.Revoke} {
		if found, err := do("nobody", peer.MayFetch); found || err != nil {
			t.Errorf("%v, %v for nobody", found, err)
		}
	}
}

// TestBookDialerGivesNothing checks that a peer saved by the side that typed the code gets no
// rights there.
func TestBookDialerGivesNothing(t *testing.T) {
	book := peer.OpenBook(t.TempDir())
	id := parseID(t, someID)
	if _, err := book.Add(peer.Peer{ID: id, Name: "box"}); err != nil {
		t.Fatal(err)
	}
	if !book.Known(id) || book.May(id, peer.MaySend) || book.May(id, peer.MayFetch) {
		t.Error(fmt.Sprint("it has a right: ", readBook(t, book)))
	}
}
