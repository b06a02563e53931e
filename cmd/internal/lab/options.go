package lab

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ParseList parses words separated by commas, all of them known and none twice.
func ParseList(text string, known []string) ([]string, error) {
	words := strings.Split(text, ",")
	for i, w := range words {
		if !slices.Contains(known, w) {
			return nil, fmt.Errorf("%q is none of %s", w, strings.Join(known, ", "))
		}
		if slices.Contains(words[:i], w) {
			return nil, fmt.Errorf("%s is named twice", w)
		}
	}
	return words, nil
}

// ParseSize parses a number of bytes with a decimal unit: "600MB", "2.5GB".
func ParseSize(text string) (int64, error) {
	return parseUnits(text, "a size such as 600MB", map[string]float64{"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9})
}

// ParseRate parses a rate as tc writes them, in bits a second: "1gbit".
func ParseRate(text string) (int64, error) {
	return parseUnits(text, "a rate such as 100mbit", map[string]float64{"KBIT": 1e3, "MBIT": 1e6, "GBIT": 1e9})
}

func parseUnits(text, want string, units map[string]float64) (int64, error) {
	i := strings.IndexFunc(text, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if i > 0 {
		n, err := strconv.ParseFloat(text[:i], 64)
		unit, ok := units[strings.ToUpper(text[i:])]
		if v := n * unit; err == nil && ok && v >= 1 && v < math.MaxInt64 {
			return int64(math.Round(v)), nil
		}
	}
	return 0, fmt.Errorf("%q is not %s", text, want)
}
