package transfertest

import "math/rand/v2"

// Random returns n incompressible bytes, the same for each seed.
func Random(seed uint64, n int) []byte {
	b := make([]byte, n)
	c := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = c.Read(b) // never fails
	return b
}

// Text returns n bytes that compress about as well as a base layer.
func Text(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	words := make([]string, 400)
	for i := range words {
		words[i] = string(Random(seed+uint64(i)+1, 2+r.IntN(9))) + " "
	}
	b := make([]byte, 0, n+16)
	for len(b) < n {
		b = append(b, words[int(r.ExpFloat64()*60)%len(words)]...)
	}
	return b[:n]
}
