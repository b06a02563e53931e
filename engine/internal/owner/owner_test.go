package owner

import "testing"

// FuzzOwner reads tags: what is read is written in the same way.
func FuzzOwner(f *testing.F) {
	for _, s := range []string{"", "latest", Tag(), "1-000000000000-0-1-abcdefgh", "01-000000000000-0-1-abcdefgh",
		"1-000000000000-0-0-abcdefgh", "999999999999-ffffffffffff-999999999999-999999999999-22222222"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o, ok := Parse(s)
		if ok && (o.PID <= 0 || o.Tag(s[max(0, len(s)-8):]) != s) {
			t.Errorf("%q is read as %+v", s, o)
		}
	})
}
