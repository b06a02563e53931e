package docker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
)

// An owner is the process that gave a temporary name. The name's tag says who that
// is, so that a later run can remove what a killed one left:
//
//	time-boot-namespace-process-chance
//
// in decimal digits, but for boot, which is 12 hexadecimal ones, and chance.
type owner struct {
	since int64  // when it gave the name, in seconds since 1970, by its own clock
	boot  string // the start of the kernel's boot ID, which containers share; unknownBoot
	ns    uint64 // the inode of its PID namespace; 0: not known
	pid   int    // its number in that namespace
}

// unknownBoot stands where there is no boot ID.
const unknownBoot = "000000000000"

var ownerPattern = regexp.MustCompile(`^([0-9]{1,12})-([0-9a-f]{12})-([0-9]{1,12})-([0-9]{1,12})-([a-z2-7]{8})$`)

// leftoverAge is when a temporary name is taken for left over whose owner cannot be
// looked for: it is on another host, in another PID namespace, or of another boot.
const leftoverAge = 24 * time.Hour

// ownerTag returns a tag of this process's, another one each time.
func ownerTag() string {
	o := owner{since: time.Now().Unix(), pid: os.Getpid()}
	o.boot, o.ns = thisKernel()
	return o.tag(strings.ToLower(rand.Text()[:8]))
}

func (o owner) tag(chance string) string {
	return fmt.Sprintf("%d-%s-%d-%d-%s", o.since, o.boot, o.ns, o.pid, chance)
}

// parseOwner reads a tag.
func parseOwner(tag string) (o owner, ok bool) {
	m := ownerPattern.FindStringSubmatch(tag)
	if m == nil {
		return o, false
	}
	var errs [3]error
	o.since, errs[0] = strconv.ParseInt(m[1], 10, 64)
	o.boot = m[2]
	o.ns, errs[1] = strconv.ParseUint(m[3], 10, 64)
	o.pid, errs[2] = strconv.Atoi(m[4])
	return o, errors.Join(errs[:]...) == nil && o.pid > 0 && o.pid <= math.MaxInt32 && o.tag(m[5]) == tag
}

// gone reports whether the owner is surely no more. A process of this boot and PID
// namespace can be looked for. Any other one may be alive, also where the engine is
// shared with containers and other hosts, and counts as gone after leftoverAge.
func (o owner) gone(now time.Time) bool {
	boot, ns := thisKernel()
	if o.boot == boot && o.ns == ns && boot != unknownBoot && ns != 0 {
		return errors.Is(syscall.Kill(o.pid, 0), syscall.ESRCH)
	}
	return now.Sub(time.Unix(o.since, 0)) > leftoverAge
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
			if o, ok := temporary(ref); ok && o.gone(time.Now()) {
				_, _ = e.api.ImageRemove(ctx, ref, image.RemoveOptions{})
			}
		}
	}
}

// temporary returns who gave a temporary name. Podman lists names in full, Docker
// in short.
func temporary(ref string) (o owner, ok bool) {
	i := strings.LastIndexByte(ref, ':')
	if i < 0 {
		return o, false
	}
	repo := strings.TrimPrefix(ref[:i], "docker.io/library/")
	if repo != commitRepo && !strings.HasSuffix(repo, "/"+pushRepo) {
		return o, false
	}
	return parseOwner(ref[i+1:])
}
