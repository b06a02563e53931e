package lab

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/imgsend/imgsend/engine/throwaway"
)

// What is different with containerd by itself, which has no Docker API: ctr, its own
// client, does what the docker CLI does elsewhere.

// NativeName returns the name that an image has there.
func NativeName(ref string) string { return "docker.io/library/" + ref }

// ctr runs ctr and returns what it prints.
func ctr(ctx context.Context, e *throwaway.Engine, args ...string) (string, error) {
	argv := e.Ctr(args...)
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("ctr %s: %w: %s", args[0], err, OneLine(string(exit.Stderr)))
	}
	return string(out), err
}

// describeNative is Describe for containerd.
func describeNative(ctx context.Context, e *throwaway.Engine) (string, error) {
	out, err := ctr(ctx, e, "version")
	if err != nil {
		return "", err
	}
	_, server, _ := strings.Cut(out, "Server:")
	_, version, _ := strings.Cut(server, "Version:")
	version, _, _ = strings.Cut(strings.TrimSpace(version), "\n")
	return fmt.Sprintf("%s %s (overlayfs)", e.Spec().Kind, version), nil
}

// removeNative is Remove for containerd. What no other image has is gone when it
// returns.
func removeNative(ctx context.Context, e *throwaway.Engine, ref string) error {
	_, err := ctr(ctx, e, "images", "remove", "--sync", NativeName(ref))
	return err // ctr only warns if there is none
}

// verifyNative is Verify for containerd.
func verifyNative(ctx context.Context, e *throwaway.Engine, want throwaway.Image) error {
	out, err := ctr(ctx, e, "images", "check", "name=="+NativeName(want.Ref))
	if err != nil {
		return err
	}
	for line := range strings.Lines(out) {
		// REF TYPE DIGEST STATUS SIZE UNPACKED
		f := strings.Fields(line)
		if f[0] != NativeName(want.Ref) {
			continue
		}
		if f[3] != "complete" || f[len(f)-1] != "true" {
			return fmt.Errorf("%s at the receiver is not complete and unpacked: %s", want.Ref, OneLine(line))
		}
		return nil
	}
	return fmt.Errorf("the image %s is not at the receiver under its name", want.Ref)
}
