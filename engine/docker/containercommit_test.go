package docker_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/imgsend/imgsend/engine/docker"
	"github.com/imgsend/imgsend/engine/store"
	"github.com/imgsend/imgsend/engine/throwaway"
	"github.com/imgsend/imgsend/engine/throwaway/throwawaytest"
	"github.com/imgsend/imgsend/transfer"
)

// statesOf returns half of the states that a container can be in for an engine, so
// that each family of engines has containers in all of them.
func statesOf(t *testing.T, spec throwaway.Spec) []string {
	states := []string{"created", "running", "paused", "exited"}
	nth := 0
	for _, s := range specs(t) {
		if s.Name == spec.Name {
			break
		}
		if throwawaytest.Family(s.Name) == throwawaytest.Family(spec.Name) {
			nth++
		}
	}
	return []string{states[nth%4], states[(nth+2)%4]}
}

// TestCommit commits containers in every state and sends the image to a
// receiver that has the one they were made of.
func TestCommit(t *testing.T) {
	eachEngine(t, func(t *testing.T, spec throwaway.Spec) {
		for _, state := range statesOf(t, spec) {
			t.Run(state, func(t *testing.T) {
				from, to := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver")
				b := newBox(t, from, nil)
				b.write("note", "kept in a container that is "+state)
				b.enter(state)
				cold, _ := copyImages(t, from, to, b.base.Ref)

				m, err := b.find().Commit(t.Context(), docker.CommitOptions{
					Message: "Configured, and more", Author: "Somebody <somebody@example.com>",
					Changes: []string{"EXPOSE 8080", `CMD ["/sleep", "long"]`, "ENV A=1"},
				})
				if err != nil {
					t.Fatal(err)
				}
				b.want(state)
				sent := inspect(t, from, m.ID.String())
				as := strings.TrimSuffix(b.base.Ref, ":1.0") + ":committed"
				rep, arrivals, err := tryCopy(t, from, to, m.Request(as))
				if err != nil {
					t.Fatal(err)
				}
				for range 2 {
					if err := m.Remove(t.Context()); err != nil {
						t.Error(err)
					}
				}
				if len(arrivals) != 1 || len(arrivals[0].Names) != 1 || arrivals[0].Names[0].Ref != as {
					t.Errorf("arrived as %v", arrivals)
				}
				if rep.Bytes > 64<<10 {
					t.Errorf("sent %d bytes, of the base %d", rep.Bytes, cold.Bytes)
				}
				in := inspect(t, to, as)
				if n := len(b.base.Layers); len(in.RootFS.Layers) != n+1 || !slices.Equal(in.RootFS.Layers[:n], b.base.DiffIDs()) {
					t.Errorf("layers %v, not one on top of %v", in.RootFS.Layers, b.base.DiffIDs())
				}
				if spec.Kind == throwaway.Podman {
					// It has the message in the config, and shows it only of
					// images that came in Docker's format.
					in.Comment = sent.Comment
				}
				if in.Comment != "Configured, and more" || in.Author != "Somebody <somebody@example.com>" {
					t.Errorf("message %q by %q", in.Comment, in.Author)
				}
				if _, ok := in.Config.ExposedPorts["8080/tcp"]; !ok || !slices.Equal(in.Config.Cmd, []string{"/sleep", "long"}) || !slices.Contains(in.Config.Env, "A=1") || !slices.Contains(in.Config.Env, "BASE=1") {
					t.Errorf("settings %+v", in.Config)
				}
				if got := imageFiles(t, to, as); got["note"] != files(t, b.api, b.name)["note"] || got["note"] == "" {
					t.Errorf("the note is %q there", got["note"])
				}
				b.want(state)
				leftovers(t, from, to)
			})
		}
	})
}

func inspect(t *testing.T, e *throwaway.Engine, ref string) image.InspectResponse {
	t.Helper()
	c, err := e.Client()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	in, err := c.ImageInspect(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func TestCommitKept(t *testing.T) {
	eachEngine(t, func(t *testing.T, spec throwaway.Spec) {
		b := newBox(t, pool.Get(t, spec, "sender"), nil)
		m, err := b.find().Commit(t.Context(), docker.CommitOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Keep(t.Context(), "UPPER"); transfer.KindOf(err) != transfer.KindUsage {
			t.Errorf("kept under a bad name: %v", err)
		}
		as := strings.TrimSuffix(b.base.Ref, ":1.0") + ":kept"
		if err := m.Keep(t.Context(), as); err != nil {
			t.Fatal(err)
		}
		if err := m.Remove(t.Context()); err != nil {
			t.Fatal(err)
		}
		if in := inspect(t, b.e, as); in.ID != m.ID.String() && "sha256:"+in.ID != m.ID.String() || len(in.RepoTags) != 1 {
			t.Errorf("kept %s as %v, not %s", in.ID, in.RepoTags, m.ID)
		}
		remove(t, b.e, as)
		leftovers(t, b.e)
	})
}

func TestCommitFails(t *testing.T) {
	eachEngine(t, func(t *testing.T, spec throwaway.Spec) {
		b := newBox(t, pool.Get(t, spec, "sender"), nil)
		b.enter("running")
		_, err := b.find().Commit(t.Context(), docker.CommitOptions{Changes: []string{"NONSENSE 80"}})
		if err == nil {
			t.Fatal("it worked")
		}
		if k := transfer.KindOf(err); k != transfer.KindUsage && (spec.Kind != throwaway.Podman || k != transfer.KindEngine) || !strings.Contains(strings.ToUpper(err.Error()), "NONSENSE") {
			t.Errorf("%s: %v", k, err)
		}
		b.want("running")
		c := b.find()
		if err := b.api.ContainerKill(t.Context(), b.name, "KILL"); err != nil {
			t.Fatal(err)
		}
		if err := b.api.ContainerRemove(t.Context(), b.name, container.RemoveOptions{Force: true}); err != nil {
			t.Fatal(err)
		}
		_, err = c.Commit(t.Context(), docker.CommitOptions{})
		wantError(t, err, transfer.KindEngine, b.name)
		leftovers(t, b.e)
		if _, err := b.api.ContainerCreate(t.Context(), &container.Config{Image: b.base.Ref}, nil, nil, nil, b.name); err != nil {
			t.Fatal(err) // for the test to remove
		}
	})
}

// TestCommitInterrupted interrupts commits, at once, under way and in the state
// that the container had.
func TestCommitInterrupted(t *testing.T) {
	eachEngine(t, func(t *testing.T, spec throwaway.Spec) {
		b := newBox(t, pool.Get(t, spec, "sender"), nil)
		b.fill(150 << 20)
		b.enter("running")
		c := b.find()

		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if spec.Kind == throwaway.Docker { // Podman answers nothing of a container meanwhile
			wait := b.afterPause(cancel)
			_, err := c.Commit(ctx, docker.CommitOptions{})
			wait()
			wantError(t, err, transfer.KindInterrupted, "")
			b.want("running")
			leftovers(t, b.e)
		}
		cancel()
		_, err := c.Commit(ctx, docker.CommitOptions{})
		wantError(t, err, transfer.KindInterrupted, "")
		leftovers(t, b.e)

		// Whenever it comes: a commit of so much takes longer.
		for _, after := range []time.Duration{time.Millisecond, 10 * time.Millisecond, 50 * time.Millisecond} {
			ctx, cancel := context.WithCancel(t.Context())
			stop := time.AfterFunc(after, cancel)
			_, err := c.Commit(ctx, docker.CommitOptions{})
			stop.Stop()
			cancel()
			wantError(t, err, transfer.KindInterrupted, "")
			b.want("running")
			leftovers(t, b.e)
		}

		if err := b.api.ContainerPause(t.Context(), b.name); err != nil {
			t.Fatal(err)
		}
		ctx, cancel = context.WithCancel(t.Context())
		stop := time.AfterFunc(50*time.Millisecond, cancel)
		_, err = b.find().Commit(ctx, docker.CommitOptions{})
		stop.Stop()
		wantError(t, err, transfer.KindInterrupted, "")
		b.want("paused")
		leftovers(t, b.e)
	})
}

// TestCommitSendInterrupted interrupts the transfer of a committed image.
func TestCommitSendInterrupted(t *testing.T) {
	eachEngine(t, func(t *testing.T, spec throwaway.Spec) {
		from, to := pool.Get(t, spec, "sender"), pool.Get(t, spec, "receiver")
		b := newBox(t, from, nil)
		b.fill(4 << 20)
		b.enter("running")
		m, err := b.find().Commit(t.Context(), docker.CommitOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		src, err := docker.NewSource(ctx, b.engine, []store.Request{m.Request("")}, store.SourceOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = transfer.Copy(ctx, src, &hooked{Sink: docker.NewSink(open(t, to)), halfway: cancel}, transfer.Options{})
		wantError(t, err, transfer.KindInterrupted, "")
		if err := m.Remove(ctx); err != nil {
			t.Error(err)
		}
		b.want("running")
		leftovers(t, from, to)
	})
}

// TestCommitKilled kills a process that has committed a container. The next
// one takes the image away.
func TestCommitKilled(t *testing.T) {
	if host := os.Getenv("IMGSEND_TEST_COMMIT_HOST"); host != "" {
		e, err := docker.Find(t.Context(), host)
		if err != nil {
			t.Fatal(err)
		}
		c, err := e.Container(t.Context(), os.Getenv("IMGSEND_TEST_COMMIT_NAME"))
		if err != nil {
			t.Fatal(err)
		}
		m, err := c.Commit(t.Context(), docker.CommitOptions{})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = os.Stdout.WriteString("\ncommitted " + m.ID.String() + "\n")
		select {} // to be killed
	}
	eachEngine(t, func(t *testing.T, spec throwaway.Spec) {
		b := newBox(t, pool.Get(t, spec, "sender"), nil)
		b.enter("running")
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCommitKilled$", "-test.timeout=60s")
		cmd.Env = append(os.Environ(), "IMGSEND_TEST_COMMIT_HOST="+b.e.Host(), "IMGSEND_TEST_COMMIT_NAME="+b.name)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		id, seen := "", ""
		for lines := bufio.NewScanner(out); id == "" && lines.Scan(); {
			seen += lines.Text() + "\n"
			id, _ = strings.CutPrefix(lines.Text(), "committed ")
			if id == lines.Text() {
				id = ""
			}
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if id == "" {
			t.Fatalf("it did not commit: %s", seen)
		}
		if tags := inspect(t, b.e, id).RepoTags; len(tags) != 1 || !strings.Contains(tags[0], "imgsend-commit:") {
			t.Fatalf("left %v", tags)
		}
		if _, err := docker.NewSource(t.Context(), b.engine, []store.Request{{Image: b.base.Ref}}, store.SourceOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := b.api.ImageInspect(t.Context(), id); err == nil {
			t.Errorf("%s is still there", id)
		}
		b.want("running")
		leftovers(t, b.e)
	})
}
