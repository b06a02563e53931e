package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// leftLimit is how long processes may take to vanish after the programs that started
// them.
const leftLimit = 3 * time.Second

// leftProcesses returns the command lines of processes that the programs have left.
// They are known by their environment, which names a home in folder.
func leftProcesses(ctx context.Context, folder string) []string {
	for deadline := time.Now().Add(leftLimit); ; {
		left := processesOf(folder)
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pollEvery):
		}
	}
}

func processesOf(folder string) (left []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, name := range files {
		environ, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(environ, []byte("IMGSEND_HOME="+folder+"/")) {
			continue // it has ended, or is another's
		}
		line, _ := os.ReadFile(filepath.Join(filepath.Dir(name), "cmdline"))
		left = append(left, strings.ReplaceAll(strings.TrimRight(string(line), "\x00"), "\x00", " "))
	}
	return left
}
