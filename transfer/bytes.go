package transfer

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ParseBytes reads a number of bytes such as "500k", "20G", "1.5MB" or "2GiB":
// k, M, G and T are powers of 1000, with an i of 1024.
func ParseBytes(s string) (int64, error) {
	wrong := fmt.Errorf("%q: want a number of bytes such as 500M, 20G or 1.5GiB", s)
	text := strings.ToLower(strings.TrimSpace(s))
	text = strings.TrimSuffix(text, "b")
	unit := 1000.0
	if cut, ok := strings.CutSuffix(text, "i"); ok {
		text, unit = cut, 1024
		if !strings.ContainsAny(text[max(len(text)-1, 0):], "kmgt") {
			return 0, wrong
		}
	}
	factor := 1.0
	for i, prefix := range []string{"k", "m", "g", "t"} {
		if cut, ok := strings.CutSuffix(text, prefix); ok {
			text, factor = cut, math.Pow(unit, float64(i+1))
			break
		}
	}
	text = strings.TrimSpace(text)
	if strings.Trim(text, "0123456789.") != "" {
		return 0, wrong // no signs, exponents, infinities
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || v*factor > math.MaxInt64/2 {
		return 0, wrong
	}
	return int64(v * factor), nil
}

// megabytes writes a number of bytes as people read it.
func megabytes(n int64) string {
	if n < 10e6 {
		return fmt.Sprintf("%d kB", (n+999)/1000)
	}
	return fmt.Sprintf("%d MB", n/1e6)
}
