package wire

import (
	"encoding/binary"
	"fmt"
	"strings"
	"sync"

	"github.com/imgsend/imgsend/transfer"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// Compression selects how a [Sender] compresses blocks.
type Compression string

// Values of [Compression]. With each of them, blobs whose media type says that
// they are already compressed are sent unchanged.
const (
	CompressAuto Compression = "auto" // the level is adapted to the network's speed
	CompressNone Compression = "none"
	CompressFast Compression = "fast" // S2
	CompressBest Compression = "best" // Zstandard at SpeedBetterCompression
)

// ParseCompression returns the Compression with the name s, or an error if there is none.
func ParseCompression(s string) (Compression, error) {
	switch c := Compression(s); c {
	case CompressAuto, CompressNone, CompressFast, CompressBest:
		return c, nil
	}
	return "", fmt.Errorf("unknown compression %q: auto, none, fast or best", s)
}

// A level is a codec with its settings, from the cheapest to the slowest. CompressAuto
// chooses among them.
type level int

const (
	levelNone level = iota
	levelS2
	levelZstdFastest
	levelZstdDefault
	levelZstdBetter
	levels
)

// Codec bytes of data blocks on the wire.
const (
	codecNone = 0
	codecS2   = 1
	codecZstd = 2
)

// zstdWindow bounds the memory of encoders. Each block is a separate Zstandard
// frame, so a window larger than a block has no use.
const zstdWindow = MaxBlock

// An encoder compresses single blocks. It is safe for concurrent use.
type encoder struct {
	workers int
	zstd    [levels]func() (*zstd.Encoder, error)
}

func newEncoder(workers int) *encoder {
	e := &encoder{workers: workers}
	for l, speed := range map[level]zstd.EncoderLevel{
		levelZstdFastest: zstd.SpeedFastest,
		levelZstdDefault: zstd.SpeedDefault,
		levelZstdBetter:  zstd.SpeedBetterCompression,
	} {
		// Created at first use: the tables of each level take some megabytes.
		e.zstd[l] = sync.OnceValues(func() (*zstd.Encoder, error) {
			return zstd.NewWriter(nil, zstd.WithEncoderLevel(speed), zstd.WithEncoderConcurrency(workers),
				zstd.WithWindowSize(zstdWindow), zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
		})
	}
	return e
}

// encode returns a data block frame of the n raw bytes at frame[blockHead:]. It
// compresses them into out's memory, which must hold [maxPayload] bytes and a frame
// header. If they do not get smaller, it returns them uncompressed in frame's memory.
// For levelNone, out may be nil.
func (e *encoder) encode(frame []byte, n int, l level, out []byte) ([]byte, error) {
	raw := frame[blockHead : blockHead+n]
	codec := byte(codecNone)
	switch l {
	case levelNone:
	case levelS2:
		if body := s2.Encode(out[blockHead:cap(out)], raw); len(body) < n {
			// maxPayload leaves room for S2's worst case, so body is in out's memory.
			out, codec = out[:blockHead+len(body)], codecS2
		}
	default:
		z, err := e.zstd[l]()
		if err != nil {
			return nil, err
		}
		if b := z.EncodeAll(raw, out[:blockHead]); len(b)-blockHead < n {
			out, codec = b, codecZstd
		}
	}
	if codec == codecNone {
		out = frame[:blockHead+n]
	}
	putFrameHeader(out, frameBlock, len(out)-frameHeader)
	out[frameHeader] = codec
	binary.BigEndian.PutUint32(out[frameHeader+1:], uint32(n))
	return out, nil
}

// A decoder decompresses single blocks. It is safe for concurrent use.
type decoder struct {
	zstd *zstd.Decoder
}

func newDecoder(workers int) (*decoder, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(workers), zstd.WithDecoderMaxMemory(MaxBlock),
		zstd.WithDecoderMaxWindow(zstdWindow), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, err
	}
	return &decoder{zstd: z}, nil
}

func (d *decoder) close() { d.zstd.Close() }

// decode returns the raw bytes of a data block frame's payload. The result is a
// part of payload, or uses out's memory, which must hold [MaxBlock] bytes. For an
// uncompressed block, out may be nil.
func (d *decoder) decode(payload, out []byte) ([]byte, error) {
	if len(payload) < blockHeader {
		return nil, transfer.Broken("data block of %d bytes", len(payload))
	}
	n := int64(binary.BigEndian.Uint32(payload[1:]))
	if n == 0 || n > MaxBlock {
		return nil, transfer.Broken("data block of %d raw bytes, not 1 to %d", n, MaxBlock)
	}
	body := payload[blockHeader:]
	var raw []byte
	var err error
	switch payload[0] {
	case codecNone:
		raw = body
	case codecS2:
		var m int
		if m, err = s2.DecodedLen(body); err == nil && int64(m) == n {
			raw, err = s2.Decode(out[:n], body)
		}
	case codecZstd:
		raw, err = d.zstd.DecodeAll(body, out[:0:MaxBlock])
	default:
		return nil, transfer.Broken("unknown codec %d", payload[0])
	}
	if err != nil {
		return nil, transfer.Broken("data block: %w", err)
	}
	if int64(len(raw)) != n {
		return nil, transfer.Broken("data block of %d raw bytes has %d", n, len(raw))
	}
	return raw, nil
}

// compressed reports whether blobs of this media type are already compressed.
func compressed(mediaType string) bool {
	return strings.Contains(mediaType, "gzip") || strings.Contains(mediaType, "zstd")
}
