// Package owner says who gave a temporary name, so that a later run can remove those
// of killed ones and no other.
//
// The package gives no names and removes none.
package owner

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// An Owner is the process that gave a temporary name. The name's tag says who that
// is, so that a later run can remove what a killed one left:
//
//	time-boot-namespace-process-chance
//
// in decimal digits, but for boot, which is 12 hexadecimal ones, and chance.
type Owner struct {
	Since int64  // when it gave the name, in seconds since 1970, by its own clock
	Boot  string // the start of the kernel's boot ID, which containers share; UnknownBoot
	NS    uint64 // the inode of its PID namespace; 0: not known
	PID   int    // its number in that namespace
}

// UnknownBoot stands where there is no boot ID.
const UnknownBoot = "000000000000"

var pattern = regexp.MustCompile(`^([0-9]{1,12})-([0-9a-f]{12})-([0-9]{1,12})-([0-9]{1,12})-([a-z2-7]{8})$`)

// LeftoverAge is when a temporary name is taken for left over whose owner cannot be
// looked for: it is on another host, in another PID namespace, or of another boot.
const LeftoverAge = 24 * time.Hour

// Tag returns a tag of this process's, another one each time.
func Tag() string {
	o := Owner{Since: time.Now().Unix(), PID: os.Getpid()}
	o.Boot, o.NS = Here()
	return o.Tag(strings.ToLower(rand.Text()[:8]))
}

// Tag returns the tag of an owner, which chance makes another one each time: eight of
// a to z and 2 to 7.
func (o Owner) Tag(chance string) string {
	return fmt.Sprintf("%d-%s-%d-%d-%s", o.Since, o.Boot, o.NS, o.PID, chance)
}

// Parse reads a tag.
func Parse(tag string) (o Owner, ok bool) {
	m := pattern.FindStringSubmatch(tag)
	if m == nil {
		return o, false
	}
	var errs [3]error
	o.Since, errs[0] = strconv.ParseInt(m[1], 10, 64)
	o.Boot = m[2]
	o.NS, errs[1] = strconv.ParseUint(m[3], 10, 64)
	o.PID, errs[2] = strconv.Atoi(m[4])
	return o, errors.Join(errs[:]...) == nil && o.PID > 0 && o.PID <= math.MaxInt32 && o.Tag(m[5]) == tag
}

// Mine reports whether the owner is this process.
func (o Owner) Mine() bool {
	boot, ns := Here()
	return o.Boot == boot && o.NS == ns && o.PID == os.Getpid() && boot != UnknownBoot && ns != 0
}

// Gone reports whether the owner is surely no more. A process of this boot and PID
// namespace can be looked for. Any other one may be alive, also where the engine is
// shared with containers and other hosts, and counts as gone after LeftoverAge.
func (o Owner) Gone(now time.Time) bool {
	boot, ns := Here()
	if o.Boot == boot && o.NS == ns && boot != UnknownBoot && ns != 0 {
		return gone(o.PID)
	}
	return now.Sub(time.Unix(o.Since, 0)) > LeftoverAge
}
