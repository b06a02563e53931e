package wire

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// A frame on the wire is its type (one byte), the length of its payload (four
// bytes, big endian) and the payload. See PROTOCOL.md.
const frameHeader = 5

type frameType byte

const (
	frameHello   frameType = 1
	frameOffer   frameType = 2
	frameAnswer  frameType = 3
	frameBlob    frameType = 4
	frameBlock   frameType = 5
	frameBlobEnd frameType = 6
	frameIndex   frameType = 7
	frameEnd     frameType = 8
	frameResult  frameType = 9
	frameError   frameType = 10
	frameAlive   frameType = 11
	frameBye     frameType = 12
	frameCredit  frameType = 13
	frameResumed frameType = 14
	frameWant    frameType = 15
	frameListing frameType = 16
)

// Limits in bytes of the payloads that a peer may send. readHeader refuses a longer
// payload before anything is allocated for it.
const (
	MaxBlock   = 1 << 20 // raw bytes of one data block
	maxPayload = blockHeader + MaxBlock + MaxBlock/64 + 1024
	maxShort   = 64 << 10 // hello, error, alive
	maxLong    = 8 << 20  // offer, answer, index, result, want, listing
	maxBlobHdr = 8 + 1 + 255 + 1 + 255

	blockHeader = 1 + 4 // codec, raw length
	blockHead   = frameHeader + blockHeader
	endSize     = 8 + 8 // blobs, bytes
	creditSize  = 4
	ackSize     = 8
)

var frameLimits = map[frameType]uint32{
	frameHello:   maxShort,
	frameOffer:   maxLong,
	frameAnswer:  maxLong,
	frameBlob:    maxBlobHdr,
	frameBlock:   maxPayload,
	frameBlobEnd: 0,
	frameIndex:   maxLong,
	frameEnd:     endSize,
	frameResult:  maxLong,
	frameError:   maxShort,
	frameAlive:   maxShort,
	frameBye:     0,
	frameCredit:  creditSize + ackSize,
	frameResumed: maxShort,
	frameWant:    maxLong,
	frameListing: maxLong,
}

func putFrameHeader(b []byte, t frameType, length int) {
	b[0] = byte(t)
	binary.BigEndian.PutUint32(b[1:], uint32(length))
}

// readHeader reads the next frame's type and payload length, and checks both. It
// returns io.EOF if the stream ended between two frames, and io.ErrUnexpectedEOF if it
// ended inside a header.
func readHeader(r *bufio.Reader) (frameType, int, error) {
	var h [frameHeader]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return 0, 0, err
	}
	t := frameType(h[0])
	n := binary.BigEndian.Uint32(h[1:])
	limit, ok := frameLimits[t]
	if !ok {
		return 0, 0, transfer.Broken("unknown frame type %d", h[0])
	}
	if n > limit {
		return 0, 0, transfer.Broken("frame type %d of %d bytes is over its limit of %d", t, n, limit)
	}
	return t, int(n), nil
}

// readPayload fills b from r. It returns io.ErrUnexpectedEOF if r ends before.
func readPayload(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// marshalFrame returns a whole frame with v as its JSON payload. It fails if the payload
// is over the limit of the frame type.
func marshalFrame(t frameType, v any) ([]byte, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if uint32(len(body)) > frameLimits[t] {
		return nil, &transfer.Error{Kind: transfer.KindUsage, Err: fmt.Errorf("too many images or layers for one transfer: %d bytes to describe them", len(body))}
	}
	b := make([]byte, frameHeader, frameHeader+len(body))
	putFrameHeader(b, t, len(body))
	return append(b, body...), nil
}

// marshalBlob returns the blob header frame for d: the size as eight bytes, big
// endian, then the digest and the media type, each after its length in one byte.
func marshalBlob(d ocispec.Descriptor) ([]byte, error) {
	if len(d.Digest) > 255 || len(d.MediaType) > 255 || d.Size < 0 || !isPlain(d.MediaType) {
		return nil, fmt.Errorf("blob %.80q of type %.80q cannot be described", d.Digest, d.MediaType)
	}
	b := make([]byte, frameHeader, frameHeader+maxBlobHdr)
	b = binary.BigEndian.AppendUint64(b, uint64(d.Size))
	b = append(b, byte(len(d.Digest)))
	b = append(b, d.Digest...)
	b = append(b, byte(len(d.MediaType)))
	b = append(b, d.MediaType...)
	putFrameHeader(b, frameBlob, len(b)-frameHeader)
	return b, nil
}

func unmarshalBlob(b []byte) (ocispec.Descriptor, error) {
	var d ocispec.Descriptor
	if len(b) < 8 {
		return d, transfer.Broken("blob header of %d bytes", len(b))
	}
	size := binary.BigEndian.Uint64(b)
	if size > 1<<62 {
		return d, transfer.Broken("blob of %d bytes", size)
	}
	d.Size = int64(size)
	b = b[8:]
	dgst, b, ok := shortString(b)
	if !ok {
		return d, transfer.Broken("blob header is cut short")
	}
	media, b, ok := shortString(b)
	if !ok || len(b) != 0 {
		return d, transfer.Broken("blob header is cut short or too long")
	}
	if !isPlain(media) {
		return d, transfer.Broken("media type %.80q", media)
	}
	d.Digest, d.MediaType = digest.Digest(dgst), media
	if err := d.Digest.Validate(); err != nil {
		return d, transfer.Broken("blob %.80q: %w", dgst, err)
	}
	return d, nil
}

// isPlain reports whether s consists of printable ASCII characters only.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// shortString splits b into a string, which follows its length in one byte, and the rest.
func shortString(b []byte) (string, []byte, bool) {
	if len(b) < 1 || len(b) < 1+int(b[0]) {
		return "", nil, false
	}
	n := 1 + int(b[0])
	return string(b[1:n]), b[n:], true
}

// An endMark is the payload of the frame that ends a round: the number of blobs that
// were sent and the sum of their raw bytes, each as eight bytes, big endian.
type endMark struct{ blobs, bytes uint64 }

func (e endMark) marshal() []byte {
	b := make([]byte, frameHeader, frameHeader+endSize)
	b = binary.BigEndian.AppendUint64(b, e.blobs)
	b = binary.BigEndian.AppendUint64(b, e.bytes)
	putFrameHeader(b, frameEnd, endSize)
	return b
}

func unmarshalEnd(b []byte) (endMark, error) {
	if len(b) != endSize {
		return endMark{}, transfer.Broken("end of %d bytes", len(b))
	}
	return endMark{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}, nil
}

// bareFrame returns a frame without a payload.
func bareFrame(t frameType) []byte {
	b := make([]byte, frameHeader)
	putFrameHeader(b, t, 0)
	return b
}
