package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
)

// Names that are given for a moment only say in their tag who gave them, so
// that the next run can remove what a killed one left: host, process, chance.
var ownerPattern = regexp.MustCompile(`^([0-9a-f]{8})-([0-9]+)-[a-z2-7]{8}$`)

// leftoverAge is when a momentary name of another host is taken for left over.
const leftoverAge = 24 * time.Hour

func hostTag() string {
	name, _ := os.Hostname()
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return fmt.Sprintf("%08x", h.Sum32())
}

func ownerTag() string {
	return fmt.Sprintf("%s-%d-%s", hostTag(), os.Getpid(), strings.ToLower(rand.Text()[:8]))
}

// sweep removes names that killed runs left in the engine, and images with no
// other name. What cannot be removed now is left to the next run.
func (e *Engine) sweep(ctx context.Context) {
	list, err := e.api.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs()})
	if err != nil {
		return
	}
	for _, s := range list {
		for _, ref := range s.RepoTags {
			tag, ok := momentary(ref)
			if ok && abandoned(tag, time.Unix(s.Created, 0)) {
				_, _ = e.api.ImageRemove(ctx, ref, image.RemoveOptions{})
			}
		}
	}
}

// momentary returns the tag of a name that is given for a moment only. Podman
// lists names in full, Docker in short.
func momentary(ref string) (tag string, ok bool) {
	i := strings.LastIndexByte(ref, ':')
	if i < 0 {
		return "", false
	}
	repo := strings.TrimPrefix(ref[:i], "docker.io/library/")
	return ref[i+1:], repo == commitRepo || strings.HasSuffix(repo, "/"+pushRepo)
}

// abandoned reports whether the process that gave a name with this tag is gone.
func abandoned(tag string, created time.Time) bool {
	m := ownerPattern.FindStringSubmatch(tag)
	if m == nil {
		return false
	}
	if m[1] != hostTag() {
		return time.Since(created) > leftoverAge
	}
	pid, err := strconv.Atoi(m[2])
	return err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}
