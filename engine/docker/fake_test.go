package docker_test

import (
	"archive/tar"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/system"
	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
)

// fakeEngine answers as an engine does that goes wrong in a way that a real one
// does not on demand. Its one image is made of config and layer.
type fakeEngine struct {
	containerd bool
	config     []byte
	layer      []byte
	// What it does wrong:
	save        func(w http.ResponseWriter)
	load        string // the answer to a load
	loadEarly   bool   // it answers before it has read the archive
	loaded      []string
	inspectFail bool
	listFail    bool
	podman      bool
	api         string // its version; empty: 1.47

	ids   []string        // that a list has
	here  map[string]bool // names and IDs that inspect knows
	tags  []string
	loads int
	// archived is what was loaded last.
	archived []byte
}

func newFake() *fakeEngine {
	f := &fakeEngine{layer: layerTar(), here: map[string]bool{}}
	f.config = []byte(fmt.Sprintf(`{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["%s"]}}`, digest.FromBytes(f.layer)))
	f.load = `{"stream":"Loaded image ID: ` + f.id() + `\n"}`
	f.loaded = []string{digest.FromBytes(f.layer).String()}
	return f
}

func layerTar() []byte {
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	_ = tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "file", Size: 5, Mode: 0o644})
	_, _ = tw.Write([]byte("hello"))
	_ = tw.Close()
	return b.Bytes()
}

func (f *fakeEngine) id() string { return digest.FromBytes(f.config).String() }

var apiPath = regexp.MustCompile(`^/v[0-9.]+`)

func (f *fakeEngine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := apiPath.ReplaceAllString(r.URL.Path, "")
	name, _ := strings.CutPrefix(strings.TrimSuffix(path, "/json"), "/images/")
	switch {
	case path == "/_ping":
		w.Header().Set("Api-Version", cmp.Or(f.api, "1.47"))
	case path == "/version" && f.podman:
		_, _ = io.WriteString(w, `{"Version":"4.3.1","ApiVersion":"1.41","Os":"linux","Arch":"amd64","Components":[{"Name":"Podman Engine","Version":"4.3.1"}]}`)
	case path == "/version":
		_, _ = io.WriteString(w, `{"Version":"27.0.0","ApiVersion":"1.47","Os":"linux","Arch":"amd64"}`)
	case path == "/info":
		info := system.Info{}
		if f.containerd {
			info.DriverStatus = [][2]string{{"driver-type", "io.containerd.snapshotter.v1"}}
		}
		_ = json.NewEncoder(w).Encode(info)
	case path == "/images/json" && f.listFail:
		http.Error(w, `{"message":"reading manifest for image instance"}`, http.StatusInternalServerError)
	case path == "/images/json":
		list := []image.Summary{}
		for _, id := range f.ids {
			list = append(list, image.Summary{ID: id})
		}
		_ = json.NewEncoder(w).Encode(list)
	case strings.HasSuffix(path, "/history"):
		_ = json.NewEncoder(w).Encode([]image.HistoryResponseItem{{Size: int64(len(f.layer))}})
	case path == "/images/get":
		f.save(w)
	case path == "/images/load":
		f.loads++
		if !f.loadEarly {
			f.archived, _ = io.ReadAll(r.Body)
			f.here[f.id()] = true // broken or not, as on a containerd store
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, f.load)
	case strings.HasSuffix(path, "/tag"):
		f.tags = append(f.tags, r.URL.Query().Get("repo")+":"+r.URL.Query().Get("tag"))
		f.here[r.URL.Query().Get("repo")+":"+r.URL.Query().Get("tag")] = true
		w.WriteHeader(http.StatusCreated)
	case r.Method == http.MethodDelete:
		delete(f.here, name)
		_, _ = io.WriteString(w, `[]`)
	case f.inspectFail:
		http.Error(w, `{"message":"store is on fire"}`, http.StatusInternalServerError)
	case strings.HasSuffix(path, "/json") && f.here[name]:
		_ = json.NewEncoder(w).Encode(image.InspectResponse{ID: f.id(), Os: "linux", Architecture: "amd64", RootFS: image.RootFS{Type: "layers", Layers: f.loaded}})
	default:
		http.Error(w, `{"message":"No such image: `+name+`"}`, http.StatusNotFound)
	}
}

// archive is what a good classic save of the image is; a nil layer is left out.
func (f *fakeEngine) archive(layer []byte, tail string) []byte {
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	file := func(name string, body []byte) {
		_ = tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(body)), Mode: 0o644})
		_, _ = tw.Write(body)
	}
	path := func(body []byte) string { return "blobs/sha256/" + digest.FromBytes(body).Encoded() }
	file(path(f.config), f.config)
	if layer != nil {
		file(path(f.layer), layer)
	}
	file("manifest.json", []byte(fmt.Sprintf(`[{"Config":%q,"RepoTags":null,"Layers":[%q]}]`, path(f.config), path(f.layer))))
	_ = tw.Close()
	b.WriteString(tail)
	return b.Bytes()
}

func (f *fakeEngine) open(t *testing.T) *docker.Engine {
	t.Helper()
	return openFake(t, f)
}

// openFake opens the engine that answers as f.
func openFake(t *testing.T, f http.Handler) *docker.Engine {
	t.Helper()
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	e, err := docker.Find(t.Context(), strings.Replace(srv.URL, "http://", "tcp://", 1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// TestBadSave has a save fail in the ways that its status does not tell.
func TestBadSave(t *testing.T) {
	for name, test := range map[string]struct {
		save  func(f *fakeEngine) []byte
		kind  transfer.Kind
		words string
	}{
		"error behind the archive": {func(f *fakeEngine) []byte {
			return f.archive(f.layer, `{"message":"error reading layer: input/output error"}`)
		}, transfer.KindEngine, "input/output error"},
		"layer left out": {func(f *fakeEngine) []byte { return f.archive(nil, "") },
			transfer.KindEngine, "missing from the engine's archive"},
		"layer with other content": {func(f *fakeEngine) []byte {
			return f.archive(bytes.Replace(f.layer, []byte("hello"), []byte("HELLO"), 1), "")
		}, transfer.KindBroken, "another digest"},
		"cut short": {func(f *fakeEngine) []byte { return f.archive(f.layer, "")[:1500] },
			transfer.KindEngine, "ends early"},
		"no archive": {func(*fakeEngine) []byte { return []byte(`{"message":"out of memory"}`) }, transfer.KindEngine, ""},
		"nothing":    {func(*fakeEngine) []byte { return nil }, transfer.KindEngine, "without a manifest.json"},
		"empty index": {func(f *fakeEngine) []byte {
			return bytes.Replace(f.archive(f.layer, ""), []byte("[{"), []byte("[]"), 1)
		}, transfer.KindEngine, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.here["webapp:1.0"] = true
			f.save = func(w http.ResponseWriter) { _, _ = w.Write(test.save(f)) }
			src, err := docker.NewSource(t.Context(), f.open(t), []store.Request{{Image: "webapp:1.0"}}, store.SourceOptions{})
			if err != nil {
				t.Fatal(err)
			}
			to := newFake()
			_, err = transfer.Copy(t.Context(), src, docker.NewSink(to.open(t)), transfer.Options{})
			wantError(t, err, test.kind, test.words)
			if len(to.tags) != 0 {
				t.Errorf("the receiver was told to name %v", to.tags)
			}
		})
	}
}

// TestBadLoad has a load fail in the ways that its status does not tell.
func TestBadLoad(t *testing.T) {
	other := digest.FromString("other").String()
	for name, test := range map[string]struct {
		spoil func(f *fakeEngine)
		kind  transfer.Kind
		words string
	}{
		"error in the answer": {func(f *fakeEngine) {
			f.load = `{"stream":"working"}` + "\n" + `{"errorDetail":{"message":"no space left on device"},"error":"no space left on device"}`
		}, transfer.KindEngine, "no space left on device"},
		"error text of a containerd store": {func(f *fakeEngine) {
			f.load = `{"stream":"Loaded image: webapp\n"}{"stream":"Error unpacking image webapp: failed to extract layer\n"}`
		}, transfer.KindEngine, "failed to extract layer"},
		"answer cut short":              {func(f *fakeEngine) { f.load = `{"stream":"Loa` }, transfer.KindEngine, "read the engine's answer"},
		"answer before the archive":     {func(f *fakeEngine) { f.loadEarly, f.load = true, `{"error":"invalid tar"}` }, transfer.KindEngine, "invalid tar"},
		"an early end that is its own":  {func(f *fakeEngine) { f.load = `{"error":"Error processing tar file(exit status 1): unexpected EOF"}` }, transfer.KindEngine, "load: Error processing"},
		"other layers":                  {func(f *fakeEngine) { f.loaded = []string{other} }, transfer.KindBroken, "other layers"},
		"success without an image":      {func(f *fakeEngine) { f.config = []byte(`{"other":1}`) }, transfer.KindEngine, "does not have the image"},
		"an inspect that fails at once": {func(f *fakeEngine) { f.inspectFail = true }, transfer.KindEngine, "store is on fire"},
	} {
		t.Run(name, func(t *testing.T) {
			from := newFake()
			from.here["webapp:1.0"] = true
			from.save = func(w http.ResponseWriter) { _, _ = w.Write(from.archive(from.layer, "")) }
			src, err := docker.NewSource(t.Context(), from.open(t), []store.Request{{Image: "webapp:1.0"}}, store.SourceOptions{})
			if err != nil {
				t.Fatal(err)
			}
			f := newFake()
			test.spoil(f)
			_, err = transfer.Copy(t.Context(), src, docker.NewSink(f.open(t)), transfer.Options{})
			wantError(t, err, test.kind, test.words)
			if len(f.tags) != 0 {
				t.Errorf("named %v", f.tags)
			}
			if f.loads > 1 {
				t.Errorf("%d loads", f.loads)
			}
			if f.here[from.id()] {
				t.Error("the image was not removed")
			}
		})
	}
}
