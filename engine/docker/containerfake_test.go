package docker_test

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/transfer"
)

// fakeContainer is a running container of a fake engine that goes wrong in ways
// that real ones do not on demand.
type fakeContainer struct {
	*fakeEngine
	paused                      bool
	failPause, failUnpause      bool
	stopsFirst                  bool // it has ended when it is to be paused
	export                      string
	silent                      bool // inspect says nothing of it
	pauses, unpauses, committed int
}

func (f *fakeContainer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := apiPath.ReplaceAllString(r.URL.Path, "")
	fail := func() {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, `{"message":"cannot thaw"}`)
	}
	switch {
	case strings.HasSuffix(path, "/pause"):
		f.pauses++
		if f.failPause || f.stopsFirst {
			fail()
			return
		}
		f.paused = true
		w.WriteHeader(http.StatusNoContent)
	case strings.HasSuffix(path, "/unpause"):
		f.unpauses++
		if f.failUnpause {
			fail()
			return
		}
		f.paused = false
		w.WriteHeader(http.StatusNoContent)
	case strings.HasSuffix(path, "/export"):
		_, _ = io.WriteString(w, f.export)
	case path == "/commit":
		f.committed++
		_, _ = io.WriteString(w, `{"Id":"`+f.id()+`"}`)
	case path == "/containers/web/json" && f.silent:
		_, _ = io.WriteString(w, `{}`)
	case strings.HasPrefix(path, "/containers/") && path != "/containers/json":
		runs := !f.stopsFirst || f.pauses == 0
		_ = json.NewEncoder(w).Encode(container.InspectResponse{
			ContainerJSONBase: &container.ContainerJSONBase{ID: "cafe", Name: "/web", Image: f.id(), State: &container.State{Running: runs, Paused: f.paused}},
			Config:            &container.Config{Cmd: []string{"/app"}},
		})
	default:
		f.fakeEngine.ServeHTTP(w, r)
	}
}

func (f *fakeContainer) open(t *testing.T) *docker.Engine {
	t.Helper()
	f.fakeEngine = newFake()
	return openFake(t, f)
}

func TestContainerFaults(t *testing.T) {
	whole := string(layerTar())
	flatten := func(t *testing.T, f *fakeContainer) error {
		t.Helper()
		c, err := f.open(t).Container(t.Context(), "web")
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		t.Setenv("TMPDIR", dir)
		src, err := c.Flatten(t.Context(), docker.FlattenOptions{})
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("left %v", left)
		}
		if err == nil {
			return src.Close(nil)
		}
		return err
	}
	t.Run("sound", func(t *testing.T) {
		f := &fakeContainer{export: whole}
		if err := flatten(t, f); err != nil || f.pauses != 1 || f.unpauses != 1 || f.paused {
			t.Errorf("%v; paused %d times, unpaused %d times", err, f.pauses, f.unpauses)
		}
	})
	t.Run("paused by another", func(t *testing.T) {
		f := &fakeContainer{export: whole, paused: true}
		if err := flatten(t, f); err != nil || f.pauses+f.unpauses != 0 || !f.paused {
			t.Errorf("%v; paused %d times, unpaused %d times", err, f.pauses, f.unpauses)
		}
	})
	t.Run("ended meanwhile", func(t *testing.T) {
		f := &fakeContainer{export: whole, stopsFirst: true}
		if err := flatten(t, f); err != nil || f.pauses != 1 || f.unpauses != 0 {
			t.Errorf("%v; paused %d times, unpaused %d times", err, f.pauses, f.unpauses)
		}
	})
	t.Run("no pause", func(t *testing.T) {
		f := &fakeContainer{export: whole, failPause: true}
		wantError(t, flatten(t, f), transfer.KindEngine, "pause web: cannot thaw")
	})
	t.Run("no unpause", func(t *testing.T) {
		f := &fakeContainer{export: whole, failUnpause: true}
		err := flatten(t, f)
		wantError(t, err, transfer.KindEngine, "unpause web: cannot thaw")
		if !strings.Contains(hint(err), "may still be paused") {
			t.Errorf("hint %q", hint(err))
		}
	})
	t.Run("cut between files", func(t *testing.T) {
		f := &fakeContainer{export: whole[:1024]} // without its end mark
		wantError(t, flatten(t, f), transfer.KindEngine, "export web: the tar archive ends early")
		if f.paused {
			t.Error("it is still paused")
		}
	})
	t.Run("an error for an export", func(t *testing.T) {
		f := &fakeContainer{export: `{"message":"device is on fire"}`}
		wantError(t, flatten(t, f), transfer.KindEngine, "export web: not a tar archive")
	})
	t.Run("committed, not there", func(t *testing.T) {
		f := &fakeContainer{}
		c, err := f.open(t).Container(t.Context(), "web")
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Commit(t.Context(), docker.CommitOptions{})
		wantError(t, err, transfer.KindEngine, "commit web: ")
		if f.committed != 1 {
			t.Errorf("%d commits", f.committed)
		}
	})
	t.Run("silent", func(t *testing.T) {
		f := &fakeContainer{silent: true}
		_, err := f.open(t).Container(t.Context(), "web")
		wantError(t, err, transfer.KindEngine, "does not say what the container is")
	})
}
