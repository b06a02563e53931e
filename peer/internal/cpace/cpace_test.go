package cpace

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/gtank/ristretto255"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The vectors of draft-irtf-cfrg-cpace-21, appendix B.3.
func TestCPaceVectors(t *testing.T) {
	secret, context, sid := []byte("Password"), unhex(t, "0b415f696e69746961746f720b425f726573706f6e646572"), unhex(t, "7e4b4791d6a8ef019b936c79fb7f2c57")
	side := func(scalar string) *Exchange {
		s, err := ristretto255.NewScalar().SetCanonicalBytes(unhex(t, scalar))
		if err != nil {
			t.Fatal(err)
		}
		e, err := newWithScalar(secret, context, sid, s)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	a := side("da3d23700a9e5699258aef94dc060dfda5ebb61f02a5ea77fad53f4ff0976d08")
	b := side("d2316b454718c35362d83d69df6320f38578ed5984651435e2949762d900b80d")
	key := func(e *Exchange, theirs []byte) []byte {
		key, err := e.Key(theirs, Side{a.Share(), []byte("ADa")}, Side{b.Share(), []byte("ADb")})
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	isk := "b69effbf61b51d56401c0f65601abe428de8206feaaf0e32198896dcae7b35cd2b38950a39dfd5d4a79164614c2984f7daa460b588c1e80c3fa2068af7900447"
	for _, c := range []struct {
		what string
		got  []byte
		want string
	}{
		{"share of A", a.Share(), "d6bac480f2c386c394efc7c47adb9925dcd2630b64f240c50f8d0eec482b9157"},
		{"share of B", b.Share(), "3ea7e0b19560d7c0b0f5734f63b955286dfa8232b5ebe63324e2d9e7433f7258"},
		{"key of A", key(a, b.Share()), isk},
		{"key of B", key(b, a.Share()), isk},
	} {
		if !bytes.Equal(c.got, unhex(t, c.want)) {
			t.Errorf("%s is %x, want %s", c.what, c.got, c.want)
		}
	}
	generator := generatorString(secret, context, sid)
	if len(generator) != 170 || hex.EncodeToString(generator[:28]) != "11435061636552697374726574746f3235350850617373776f7264"+"64" {
		t.Errorf("generator string of %d bytes starts with %x", len(generator), generator[:28])
	}
}

// badShares are not valid group elements: from RFC 9496, appendix A.2, and further ones.
var badShares = []string{
	"0000000000000000000000000000000000000000000000000000000000000000", // neutral
	"00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", // not canonical
	"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"0100000000000000000000000000000000000000000000000000000000000000", // negative
	"26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371", // not square
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // the prime
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // minus one
	"", "00", "0000000000000000000000000000000000000000000000000000000000000000ff",
}

// take derives a key from a received share.
func take(t *testing.T, share []byte) error {
	t.Helper()
	e, err := New([]byte("secret"), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.Key(share, Side{Share: e.Share()}, Side{Share: share})
	return err
}

func TestCPaceRefusesWhatIsNoElement(t *testing.T) {
	for _, share := range badShares {
		if err := take(t, unhex(t, share)); err == nil {
			t.Errorf("%q was taken", share)
		}
	}
}

func FuzzCPaceShare(f *testing.F) {
	for _, share := range badShares {
		f.Add(unhex(f, share))
	}
	f.Add(unhex(f, "d6bac480f2c386c394efc7c47adb9925dcd2630b64f240c50f8d0eec482b9157"))
	f.Fuzz(func(t *testing.T, share []byte) { _ = take(t, share) })
}
