package loopback_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/imgsend/imgsend/engine/docker/loopback"
	"github.com/opencontainers/go-digest"
	"go.uber.org/goleak"
)

// net/http waits half a second before it closes a connection whose request it did
// not read to its end.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

func listen(t testing.TB, present map[digest.Digest]int64) *loopback.Registry {
	t.Helper()
	r, err := loopback.Listen(t.Context(), loopback.Options{Present: present})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return r
}

func request(t testing.TB, r *loopback.Registry, method, path, body string) *http.Request {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, "http://"+r.Addr()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// send makes a request with the password and returns the answer's status and
// header.
func send(t testing.TB, r *loopback.Registry, method, path, body string) (int, http.Header) {
	t.Helper()
	q := request(t, r, method, path, body)
	q.SetBasicAuth(r.User, r.Password)
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		return 0, nil // the registry is closed
	}
	_ = resp.Body.Close()
	return resp.StatusCode, resp.Header
}

// upload uploads a blob as dockerd does and returns the last status.
func upload(t testing.TB, r *loopback.Registry, blob string) int {
	code, header := send(t, r, http.MethodPost, "/v2/a/b/blobs/uploads/", "")
	if code == http.StatusAccepted {
		code, header = send(t, r, http.MethodPatch, header.Get("Location"), blob)
	}
	if code == http.StatusAccepted {
		code, _ = send(t, r, http.MethodPut, header.Get("Location")+"?digest="+digest.FromString(blob).String(), "")
	}
	return code
}

func TestUpload(t *testing.T) {
	known := digest.FromString("known")
	r := listen(t, map[digest.Digest]int64{known: 5})
	blobs := []string{"one", "two", "three"}
	codes := make(chan int)
	for _, b := range blobs {
		go func() { codes <- upload(t, r, b) }()
	}
	got := map[string]bool{}
	for range blobs {
		u, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(u)
		if err != nil {
			t.Fatal(err)
		}
		got[string(b)] = true
		u.Accept()
		if code := <-codes; code != http.StatusCreated {
			t.Errorf("%s: status %d", b, code)
		}
	}
	for _, b := range append(blobs, "known", "unknown") {
		code, header := send(t, r, http.MethodHead, "/v2/a/blobs/"+digest.FromString(b).String(), "")
		want := http.StatusOK
		if b == "unknown" {
			want = http.StatusNotFound
		} else if n := header.Get("Content-Length"); n != string(rune('0'+len(b))) {
			t.Errorf("%s has the size %s", b, n)
		}
		if code != want {
			t.Errorf("HEAD of %s: %d, not %d", b, code, want)
		}
	}
	if len(got) != len(blobs) {
		t.Errorf("uploaded: %v", got)
	}
}

// TestNextCancelled ends a wait for an upload by its context, whose cause is the
// error, and by Close.
func TestNextCancelled(t *testing.T) {
	r := listen(t, nil)
	why := errors.New("why")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := r.Next(ctx); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	r.Close()
	if _, err := r.Next(t.Context()); !errors.Is(err, loopback.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestClose closes a registry while one upload has not begun, one waits in its
// body and one is not accepted: all end.
func TestClose(t *testing.T) {
	r := listen(t, nil)
	ended := make(chan int)
	for range 3 {
		go func() { ended <- upload(t, r, strings.Repeat("x", 1<<20)) }()
	}
	for i := range 2 {
		u, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if _, err := io.Copy(io.Discard, u); err != nil {
				t.Error(err)
			}
		}
	}
	r.Close()
	for range 3 {
		select {
		case code := <-ended:
			if code == http.StatusCreated {
				t.Error("an upload was accepted")
			}
		case <-time.After(10 * time.Second):
			t.Fatal("an upload goes on")
		}
	}
}

// TestStrangers asks for everything that a registry does, without its password
// and with a wrong one.
func TestStrangers(t *testing.T) {
	d := digest.FromString("x")
	r := listen(t, map[digest.Digest]int64{d: 1})
	for _, path := range []string{"/v2/", "/", "/v2/a/blobs/" + d.String(), "/v2/a/blobs/sha256:0", "/v2/a/manifests/t", "/v2/a/blobs/uploads/", "/v2/a/blobs/uploads/1?digest=" + d.String()} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch} {
			for _, password := range []string{"", "wrong", r.Password + "x"} {
				q := request(t, r, method, path, "")
				if password != "" {
					q.SetBasicAuth(r.User, password)
				}
				resp, err := http.DefaultClient.Do(q)
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusUnauthorized {
					t.Errorf("%s %s: %d", method, path, resp.StatusCode)
				}
			}
		}
	}
}
