package engine

import (
	"bytes"
	"io"
	"net/http"
	"testing"
)

// FuzzConfigAnswer reads what BuildKit answers when it is asked for a config.
func FuzzConfigAnswer(f *testing.F) {
	good := append([]byte{0, 0, 0, 0, 7}, "\x0a\x01d\x12\x02{}"...)
	for _, s := range []struct {
		body            []byte
		status, message string
		want            string // the config, or "" for an error
	}{
		{good, "0", "", "{}"},
		{good, "", "", ""},
		{good, "5", "not%20found", ""},
		{good[:9], "0", "", ""},
		{append([]byte{1}, good[1:]...), "0", "", ""},
		{[]byte{0, 0, 0, 0, 2, 0x12, 9}, "0", "", ""},
		{[]byte{0, 255, 255, 255, 255}, "0", "", ""},
	} {
		// Seeds that are not understood would seed nothing.
		if got, err := parseConfig(s.body, s.status, s.message); string(got) != s.want || err == nil && s.want == "" {
			f.Fatalf("%q, status %q: %q, %v", s.body, s.status, got, err)
		}
		f.Add(s.body, s.status, s.message)
	}
	f.Fuzz(func(t *testing.T, body []byte, status, message string) {
		if b, err := parseConfig(body, status, message); err == nil && !bytes.Contains(body, b) {
			t.Errorf("%q is not in %q", b, body)
		}
	})
}

func parseConfig(body []byte, status, message string) ([]byte, error) {
	b, err := grpcAnswer(&http.Response{Body: io.NopCloser(bytes.NewReader(body)),
		Trailer: http.Header{"Grpc-Status": {status}, "Grpc-Message": {message}}})
	if err != nil {
		return nil, err
	}
	return protoBytes(b, 2)
}
