package wire

import (
	"encoding/json"
	"fmt"

	"github.com/imgsend/imgsend/transfer"
)

// maxArray is the maximum number of elements of an array, or members of an object, in a
// control frame. The longest list is that of the names in a result, which may have one
// more than the offer. maxElements is the maximum for all arrays and objects together.
// It bounds the memory of a decoded frame: "{}," is three bytes on the wire and may be a
// large struct in memory.
const (
	maxArray    = transfer.MaxRefs + 1
	maxElements = 1 << 19
)

// unmarshalJSON decodes a control frame's payload into v. Its error is an [errLimit] if
// the payload has too many elements.
func unmarshalJSON(b []byte, v any) error {
	if err := checkArrays(b); err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// errLimit is the error for too many elements.
type errLimit struct{ error }

// checkArrays returns an error if b has too many elements or levels. It does not check
// that b is valid JSON.
func checkArrays(b []byte) error {
	const maxDepth = 64
	var commas [maxDepth]int
	depth, all := 0, 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		case '[', '{':
			if depth++; depth == maxDepth {
				return fmt.Errorf("more than %d levels deep", maxDepth-1)
			}
			commas[depth] = 0
		case ']', '}':
			depth = max(depth-1, 0)
		case ',':
			// The limit applies to members of objects, too.
			if commas[depth]++; commas[depth] >= maxArray {
				return errLimit{fmt.Errorf("list of more than %d", maxArray)}
			}
			if all++; all >= maxElements {
				return errLimit{fmt.Errorf("more than %d elements", maxElements)}
			}
		}
	}
	return nil
}
