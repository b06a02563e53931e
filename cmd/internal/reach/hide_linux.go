package reach

import (
	"os"
	"unsafe"
)

// HideArgument overwrites the argument text, or the value of "--flag=text", in the memory of
// this process that Linux shows as its command line. The strings in os.Args share that memory,
// so the caller must copy text before. Other users can read the argument until then.
func HideArgument(text string) {
	for _, arg := range os.Args[1:] {
		at := len(arg) - len(text)
		if at < 0 || arg[at:] != text || len(text) == 0 {
			continue
		}
		b := unsafe.Slice(unsafe.StringData(arg), len(arg))
		for i := range b[at:] {
			b[at+i] = '*'
		}
	}
}
