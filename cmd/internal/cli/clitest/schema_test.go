package clitest_test

import (
	"testing"

	"github.com/imgsend/imgsend/cmd/internal/cli/clitest"
)

func TestEvents(t *testing.T) {
	e, err := clitest.OpenEvents("../events.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	const start = `{"event":"start","version":1,"program":"imgsend","release":"1.0"}` + "\n"
	for output, good := range map[string]bool{
		"":    true,
		start: true,
		start + `{"event":"line","lost":true,"seconds":0.5}` + "\n": true,
		start + `{"event":"line","lost":true,"seconds":0.5}`:        true,
		`{"event":"line","lost":true,"seconds":0.5}` + "\n":         false,
		start + start: false,
		start + `{"event":"line","lost":true}` + "\n":                                                   false,
		start + `{"event":"line","lost":"true","seconds":0.5}` + "\n":                                   false,
		start + `{"event":"line","lost":true,"seconds":0.5,"more":1}` + "\n":                            false,
		start + `{"event":"lines","lost":true,"seconds":0.5}` + "\n":                                    false,
		start + `{"event":"error","code":7,"kind":"broken","message":"","kept":{"layers":1}}` + "\n":    false,
		start + `{"event":"image","id":"a","verified":true,"whole":true}` + "\nsomething else\n":        false,
		start + "\n" + `{"event":"image","id":"a","verified":true,"whole":true}` + "\n":                 false,
		start + `{"event":"progress","phase":"moving",.*"done":0.5,"total":1,"wire":1}` + "\n":          false,
		start + `{"event":"warning","code":"anything","message":"some word that is not listed"}` + "\n": false,
	} {
		if err := e.Check([]byte(output)); (err == nil) != good {
			t.Errorf("%s: %v", output, err)
		}
	}
}
