package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
)

// slowNames is an engine that knows names and takes its time for each request.
type slowNames struct {
	takes time.Duration
	names map[string]digest.Digest
	tags  int
	// fail is called before a request that tags ("tag") or removes ("remove") a
	// name. Its error is the answer, errSilent none.
	fail func(what, ref string) error
}

var errSilent = errors.New("no answer")

func (s *slowNames) RoundTrip(r *http.Request) (*http.Response, error) {
	time.Sleep(s.takes)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	_, path, _ := strings.Cut(r.URL.Path, "/images/")
	status, body := http.StatusOK, []byte("[]")
	fail := func(what, ref string) bool {
		if s.fail == nil {
			return false
		}
		err := s.fail(what, ref)
		if err != nil {
			status, body = http.StatusInternalServerError, fmt.Appendf(nil, `{"message":%q}`, err)
		}
		return err != nil
	}
	switch {
	case strings.HasSuffix(path, "/tag"):
		s.tags++
		ref := strings.TrimPrefix(r.URL.Query().Get("repo"), "docker.io/library/") + ":" + r.URL.Query().Get("tag")
		if !fail("tag", ref) {
			status = http.StatusCreated
			s.names[ref] = digest.Digest(strings.TrimSuffix(path, "/tag"))
		}
	case r.Method == http.MethodDelete:
		if !fail("remove", path) {
			delete(s.names, path)
		}
	default:
		id, ok := s.names[strings.TrimSuffix(path, "/json")]
		if !ok {
			status, body = http.StatusNotFound, []byte(`{"message":"No such image"}`)
			break
		}
		body, _ = json.Marshal(image.InspectResponse{ID: id.String()})
	}
	if bytes.Contains(body, []byte(errSilent.Error())) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(bytes.NewReader(body)), Header: http.Header{}, Request: r}, nil
}

func (s *slowNames) sink(t *testing.T, refs ...string) (*Sink, *transfer.Outcome) {
	t.Helper()
	api, err := client.NewClientWithOpts(client.WithHost("tcp://engine:1"), client.WithHTTPClient(&http.Client{Transport: s}), client.WithVersion("1.47"))
	if err != nil {
		t.Fatal(err)
	}
	id := digest.FromString("new")
	return &Sink{e: &Engine{api: api}, offer: &transfer.Offer{Images: []transfer.Image{{ID: id, Refs: refs}}}},
		&transfer.Outcome{Images: []transfer.Arrival{{ID: id, New: id}}}
}

func manyRefs() []string {
	var refs []string
	for i := range transfer.MaxRefs {
		refs = append(refs, fmt.Sprintf("app%d:1", i))
	}
	return refs
}

// TestManyNames gives as many names as an image can have, in a store that takes
// 40 ms for a name's requests each. The sender hangs up in the middle.
func TestManyNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slowNames{takes: 40 * time.Millisecond, names: map[string]digest.Digest{}}
		ctx, hangUp := context.WithCancel(t.Context())
		s.fail = func(string, string) error {
			if s.tags == 100 {
				hangUp()
			}
			return nil
		}
		refs := manyRefs()
		sink, out := s.sink(t, refs...)
		if left, err := sink.nameAll(ctx, out); err != nil || left != nil {
			t.Fatalf("%v, %v remain", err, left)
		}
		if len(s.names) != len(refs) || len(out.Images[0].Names) != len(refs) {
			t.Errorf("%d of %d names are given, %d are reported", len(s.names), len(refs), len(out.Images[0].Names))
		}
		// A sender that is gone before the first name is given gets none.
		clear(s.names)
		if _, err := sink.nameAll(ctx, out); !errors.Is(err, context.Canceled) || len(s.names) != 0 {
			t.Errorf("%v, %d names", err, len(s.names))
		}
	})
}

// TestNamesTakenBack has the last of many names fail: all are as they were before.
func TestNamesTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := digest.FromString("old")
		refs := manyRefs()
		s := &slowNames{takes: 40 * time.Millisecond, names: map[string]digest.Digest{refs[0]: old, refs[3]: old}}
		s.fail = func(what, ref string) error {
			if what == "tag" && ref == refs[len(refs)-1] {
				return errSilent
			}
			return nil
		}
		sink, out := s.sink(t, refs...)
		left, err := sink.nameAll(t.Context(), out)
		if left != nil || transfer.KindOf(err) != transfer.KindEngine || !strings.Contains(err.Error(), "has not answered") {
			t.Errorf("%v, %v remain", err, left)
		}
		if len(s.names) != 2 || s.names[refs[0]] != old || s.names[refs[3]] != old {
			t.Errorf("the names are %v", s.names)
		}
	})
}

// TestNamesRemain has names that cannot be taken back.
func TestNamesRemain(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want []string
	}{
		"engine fails":         {errors.New("store is on fire"), []string{"b:1"}},
		"engine stops to talk": {errSilent, []string{"a:1", "b:1"}}, // and is asked once
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &slowNames{names: map[string]digest.Digest{}}
				s.fail = func(what, ref string) error {
					if what == "tag" && ref == "d:1" || what == "remove" && ref == "b:1" {
						return test.err
					}
					return nil
				}
				sink, out := s.sink(t, "a:1", "b:1", "c:1", "d:1")
				start := time.Now()
				left, err := sink.nameAll(t.Context(), out)
				if took := time.Since(start); took > 3*cleanupTime {
					t.Errorf("took %v", took)
				}
				var names []string
				if left != nil {
					for _, n := range left.Images[0].Names {
						names = append(names, n.Ref)
					}
				}
				if !slices.Equal(names, test.want) || !strings.HasSuffix(fmt.Sprint(err), "could not be taken back, and remain: "+strings.Join(test.want, ", ")) {
					t.Errorf("%q remain, %v", names, err)
				}
			})
		})
	}
}

// TestOneNameTwice takes back a name that two images of an offer were given.
func TestOneNameTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := digest.FromString("old")
		s := &slowNames{names: map[string]digest.Digest{"a:1": old}}
		s.fail = func(_, ref string) error {
			if ref == "b:1" {
				return errors.New("store is on fire")
			}
			return nil
		}
		sink, out := s.sink(t, "a:1")
		second := digest.FromString("second")
		sink.offer.Images = append(sink.offer.Images, transfer.Image{ID: second, Refs: []string{"a:1", "b:1"}})
		out.Images = append(out.Images, transfer.Arrival{ID: second, New: second})
		if left, err := sink.nameAll(t.Context(), out); err == nil || left != nil || s.names["a:1"] != old {
			t.Errorf("%v, %v, %v", left, err, s.names)
		}
	})
}
