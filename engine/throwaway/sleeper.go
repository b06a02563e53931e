package throwaway

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
)

// Sleeper returns a layer with one file, /sleep: a program that needs nothing
// else and sleeps until it is killed. It is there for amd64 and arm64.
func Sleeper() (Layer, error) {
	code := sleepCode[runtime.GOARCH]
	if code.text == nil {
		return Layer{}, fmt.Errorf("no program that sleeps for %s", runtime.GOARCH)
	}
	return Layer{File: File{Path: "sleep", Content: elf(code.machine, code.text), Mode: 0o755}}, nil
}

var sleepCode = map[string]struct {
	machine uint16 // as ELF numbers them
	text    []byte
}{
	// mov eax, 34 (pause); syscall; jmp to the start
	"amd64": {62, []byte{0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7}},
	// x0 to x3 = 0; x8 = 73 (ppoll); svc 0; b to the start
	"arm64": {183, words32(0xd2800000, 0xd2800001, 0xd2800002, 0xd2800003, 0xd2800928, 0xd4000001, 0x17fffffa)},
}

func words32(w ...uint32) []byte {
	var b []byte
	for _, v := range w {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

// elf returns a static ELF executable of one segment that starts at its code.
func elf(machine uint16, text []byte) string {
	const base, headers = 0x400000, 64 + 56
	size := uint64(headers + len(text))
	var b bytes.Buffer
	b.WriteString("\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00") // 64 bits, little endian
	for _, v := range []any{
		// The file: executable, machine, version, entry, program headers,
		// section headers, flags, sizes and counts.
		uint16(2), machine, uint32(1), uint64(base + headers), uint64(64), uint64(0), uint32(0),
		uint16(64), uint16(56), uint16(1), uint16(0), uint16(0), uint16(0),
		// The segment: load, read and execute, offset, addresses, sizes, alignment.
		uint32(1), uint32(5), uint64(0), uint64(base), uint64(base), size, size, uint64(0x1000),
	} {
		_ = binary.Write(&b, binary.LittleEndian, v) // to memory
	}
	b.Write(text)
	return b.String()
}
