package wire

import (
	"encoding/json"
	"fmt"

	"github.com/imgsend/imgsend/transfer"
)

// maxArray is the number of elements that an array in a control frame may have, as
// many as the longest list has: the names in a result, one more than were offered.
// maxElements is the number that all its arrays and objects may have. It bounds what a
// frame can make of its bytes: "{}," is three on the wire and a struct in memory.
const (
	maxArray    = transfer.MaxRefs + 1
	maxElements = 1 << 19
)

// unmarshalJSON reads a control frame's payload into v. Its error is an [errLimit] if that
// has too many elements.
func unmarshalJSON(b []byte, v any) error {
	if err := checkArrays(b); err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// errLimit is the error for too many elements.
type errLimit struct{ error }

// checkArrays reports too many elements. What is not JSON passes:
// it is refused later.
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
			// Objects are held to the same number of members.
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
