package docker

import (
	"strings"
	"testing"
)

// FuzzReadAnswer reads what an engine answers to a load or a push.
func FuzzReadAnswer(f *testing.F) {
	for _, s := range []string{
		`{"stream":"Loaded image ID: sha256:00\n"}`,
		`{"status":"Loading layer","progressDetail":{"current":1,"total":2},"id":"abc"}` + "\n" + `{"stream":"x"}`,
		`{"errorDetail":{"message":"no space left on device"},"error":"no space left on device"}`,
		`{"stream":"Loa`, ``, `[]`, `{"error":1}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		err := readAnswer(strings.NewReader(s), func(message) {})
		if err == nil && strings.Contains(s, `{"error":"bad"}`) && !strings.Contains(s, `\`) && strings.HasPrefix(s, `{"error":"bad"}`) {
			t.Error("an error went unnoticed")
		}
	})
}
