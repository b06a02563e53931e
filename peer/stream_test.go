package peer_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"testing/iotest"
	"time"

	"github.com/imgsend/imgsend/peer"
	"github.com/imgsend/imgsend/peer/internal/peertest"
)

func TestStreamCarriesBytesBothWays(t *testing.T) {
	onEachTransport(t, func(t *testing.T, addr string) {
		out, in := connect(t, addr)
		data := make([]byte, 3<<20)
		rand.NewChaCha8([32]byte{}).Read(data)
		go func() {
			io.Copy(in, in) // an echo
			in.CloseWrite()
		}()
		go func() {
			out.Write(data)
			out.CloseWrite()
		}()
		got, err := io.ReadAll(out)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d of %d bytes came back, %v", len(got), len(data), err)
		}
	})
}

func TestStreamIsAReader(t *testing.T) {
	out, in := connect(t, "127.0.0.1:0")
	data := bytes.Repeat([]byte("imgsend"), 1000)
	go func() {
		out.Write(data)
		out.CloseWrite()
	}()
	if err := iotest.TestReader(in, data); err != nil {
		t.Error(err)
	}
}

// A process that writes last and closes the stream may exit at once.
func TestCloseDeliversWhatWasWritten(t *testing.T) {
	onEachTransport(t, func(t *testing.T, addr string) {
		for range 5 {
			key := peertest.NewKey(t)
			host := listen(t, addr, only(t, key))
			out := dial(t, key, at(t, host))
			if _, err := out.Write([]byte("offer")); err != nil {
				t.Fatal(err)
			}
			data := make([]byte, 200<<10)
			served := make(chan error, 1)
			go func() {
				in, err := host.Accept(context.Background())
				if err != nil {
					served <- err
					return
				}
				in.Write(data)
				served <- errors.Join(in.Close(), host.Close())
			}()
			if got := readAll(t, out); len(got) != len(data) {
				t.Fatalf("%d of %d bytes arrived", len(got), len(data))
			}
			if err := out.Close(); err != nil {
				t.Error(err)
			}
			if err := <-served; err != nil {
				t.Error(err)
			}
		}
	})
}

// The same where the other side closed for writing first.
func TestCloseDeliversTheAnswerToAFinishedRequest(t *testing.T) {
	onEachTransport(t, func(t *testing.T, addr string) {
		out, in := connect(t, addr)
		if _, err := out.Write([]byte("request")); err != nil {
			t.Fatal(err)
		}
		if err := out.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		data := make([]byte, 200<<10)
		served := make(chan error, 1)
		go func() {
			io.Copy(io.Discard, in)
			in.Write(data)
			served <- in.Close()
		}()
		start := time.Now()
		if got := readAll(t, out); len(got) != len(data) {
			t.Fatalf("%d of %d bytes arrived", len(got), len(data))
		}
		if err := errors.Join(out.Close(), <-served); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("the two ends waited %v for each other", took)
		}
	})
}

func TestCloseOfBothEndsAtOnce(t *testing.T) {
	onEachTransport(t, func(t *testing.T, addr string) {
		out, in := connect(t, addr)
		start := time.Now()
		done := make(chan error, 1)
		go func() { done <- in.Close() }()
		if err := errors.Join(out.Close(), <-done); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("the two ends waited %v for each other", took)
		}
		if _, err := out.Write([]byte("x")); err == nil {
			t.Error("wrote to a closed stream")
		}
		out.Close() // again, harmlessly
	})
}

// A peer that neither reads nor closes does not block Close for long.
func TestCloseDoesNotWaitForever(t *testing.T) {
	t.Parallel()
	out, _ := connect(t, "127.0.0.1:0")
	start := time.Now()
	if err := out.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took < time.Second || took > 10*time.Second {
		t.Errorf("it took %v, want about three seconds", took)
	}
}

func TestResetIsAnErrorNotAnEnd(t *testing.T) {
	onEachTransport(t, func(t *testing.T, addr string) {
		out, in := connect(t, addr)
		if _, err := out.Write([]byte("half of it")); err != nil {
			t.Fatal(err)
		}
		out.Reset()
		if _, err := io.ReadAll(in); err == nil {
			t.Error("a reset stream ended cleanly")
		}
		if _, err := out.Read(make([]byte, 1)); err == nil || err == io.EOF {
			t.Errorf("a stream that was reset here reads %v", err)
		}
	})
}

func TestResetEndsAClose(t *testing.T) {
	out, _ := connect(t, "127.0.0.1:0")
	closed := make(chan struct{})
	start := time.Now()
	go func() {
		defer close(closed)
		out.Close()
	}()
	time.AfterFunc(50*time.Millisecond, func() { out.Reset() })
	<-closed
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("Close went on for %v", took)
	}
}

// If the host ends during a transfer, the other side gets an error at once.
func TestCutConnection(t *testing.T) {
	onEachTransport(t, func(t *testing.T, addr string) {
		key := peertest.NewKey(t)
		host := listen(t, addr, only(t, key))
		out := dial(t, key, at(t, host))
		if _, err := accept(t, host).Write([]byte("begin")); err != nil {
			t.Fatal(err)
		}
		host.Close()
		data, err := io.ReadAll(out)
		if err == nil {
			t.Errorf("the stream ended cleanly after %q", data)
		}
		peertest.WaitFor(t, "writes fail", func() bool {
			_, err := out.Write(make([]byte, 1024))
			return err != nil
		})
	})
}

func TestDeadlines(t *testing.T) {
	onEachTransport(t, testDeadlines)
}

func testDeadlines(t *testing.T, addr string) {
	out, in := connect(t, addr)
	past := time.Now().Add(-time.Second)
	for name, step := range map[string]struct {
		set func(time.Time) error
		do  func([]byte) (int, error)
	}{
		"read":  {out.SetReadDeadline, out.Read},
		"write": {out.SetWriteDeadline, func([]byte) (int, error) { return out.Write(make([]byte, 32<<20)) }},
	} {
		if err := step.set(past); err != nil {
			t.Fatal(err)
		}
		var timeout net.Error
		_, err := step.do(make([]byte, 1))
		if !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%s: error %v is not a timeout", name, err)
		}
	}
	// The stream can still be used.
	setDeadline(t, out)
	if _, err := in.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 5)); err != nil {
		t.Errorf("after a deadline that was missed: %v", err)
	}
}

// A writer blocks until the reader reads, and memory use is limited.
func TestWriteWaitsForTheReader(t *testing.T) {
	out, _ := connect(t, "127.0.0.1:0")
	if err := out.SetWriteDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	n, err := out.Write(make([]byte, 64<<20))
	if err == nil || n > 20<<20 {
		t.Errorf("%d bytes were taken while nobody read, %v", n, err)
	}
}

func BenchmarkStream(b *testing.B) {
	for name, addr := range transports {
		for _, size := range []int{64 << 10, 1 << 20} {
			b.Run(name+"/"+map[int]string{64 << 10: "64KiB", 1 << 20: "1MiB"}[size], func(b *testing.B) {
				benchmarkStream(b, addr, size)
			})
		}
	}
}

func benchmarkStream(b *testing.B, addr string, size int) {
	key := peertest.NewKey(b)
	host := listen(b, addr, only(b, key))
	out, err := peer.Dial(b.Context(), key, at(b, host), peer.DialConfig{Protocol: proto})
	if err != nil {
		b.Fatal(err)
	}
	defer out.Reset()
	in, err := host.Accept(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer in.Reset()
	done := make(chan int64, 1)
	go func() {
		n, _ := io.CopyBuffer(io.Discard, struct{ io.Reader }{in}, make([]byte, 256<<10))
		done <- n
	}()
	block := make([]byte, size)
	b.SetBytes(int64(size))
	b.ResetTimer()
	for range b.N {
		if _, err := out.Write(block); err != nil {
			b.Fatal(err)
		}
	}
	if err := out.CloseWrite(); err != nil {
		b.Fatal(err)
	}
	if n := <-done; n != int64(b.N)*int64(size) {
		b.Fatalf("%d of %d bytes arrived", n, int64(b.N)*int64(size))
	}
}
