package cli

import (
	"strings"

	"github.com/imgsend/imgsend/engine/store"
)

// lineWidth is the length of a line that fits every terminal.
const lineWidth = 80

// SayStore says which store or archive is used, in two lines if one would be too long. how is "from"
// or "into".
func SayStore(v *Voice, how string, s store.Target) {
	where := s.Where()
	at, found := strings.CutPrefix(where, s.String()+" at ")
	if !found || len(v.Program)+len(": ")+len(how)+len(" ")+len(where) <= lineWidth {
		v.Sayf("%s %s", how, where)
		return
	}
	v.Sayf("%s %s", how, s)
	v.Sayf("  at %s", at)
}
