package rootfs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"testing"
	"time"

	"github.com/imgsend/imgsend/engine/rootfs"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// keeper is a sink that keeps blobs, and asks for a retry once if told to.
type keeper struct {
	plan  transfer.ImagePlan
	retry bool
	offer *transfer.Offer
	blobs map[digest.Digest][]byte
	index *transfer.Index
}

func (k *keeper) Plan(_ context.Context, o *transfer.Offer) (*transfer.Plan, error) {
	k.offer, k.blobs = o, map[digest.Digest][]byte{}
	p := k.plan
	if o.Full {
		p.Have = []bool{false}
	}
	return &transfer.Plan{Images: []transfer.ImagePlan{p}}, nil
}

func (k *keeper) Put(_ context.Context, d ocispec.Descriptor, r io.Reader) (err error) {
	k.blobs[d.Digest], err = io.ReadAll(r)
	return err
}

func (k *keeper) Commit(_ context.Context, x *transfer.Index) (*transfer.Outcome, error) {
	k.index = x
	if k.retry {
		k.retry = false
		return &transfer.Outcome{Retry: "gone"}, nil
	}
	id := k.offer.Images[0].ID
	return &transfer.Outcome{Images: []transfer.Arrival{{ID: id, New: id, Names: []transfer.Name{{Ref: k.offer.Images[0].Refs[0]}}}}}, nil
}

func (k *keeper) Close(error) error { return nil }

func source(t *testing.T, body []byte) *rootfs.Source {
	t.Helper()
	l, err := spool(t, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	created := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	c := rootfs.Config{}
	c.Platform = ocispec.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}
	c.Created, c.Author = &created, "somebody"
	c.Config.Cmd, c.Config.Shell = []string{"/app", "-v"}, []string{"/bin/bash", "-c"}
	s, err := rootfs.New(l, c, []string{"webapp:1.0"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSource(t *testing.T) {
	body := rootTar(t)
	layer := digest.FromBytes(body)
	for name, c := range map[string]struct {
		keeper keeper
		dry    bool
		puts   int
		layer  bool
	}{
		"take":         {keeper{plan: transfer.ImagePlan{Status: transfer.Take, Have: []bool{false}}}, false, 2, true},
		"have":         {keeper{plan: transfer.ImagePlan{Status: transfer.Take, Have: []bool{true}}}, false, 1, false},
		"retry":        {keeper{plan: transfer.ImagePlan{Status: transfer.Take, Have: []bool{true}}, retry: true}, false, 2, true},
		"retry, whole": {keeper{plan: transfer.ImagePlan{Status: transfer.Take, Have: []bool{false}}, retry: true}, false, 2, true},
		"whole":        {keeper{plan: transfer.ImagePlan{Status: transfer.Whole}}, false, 0, false},
		"dry run":      {keeper{plan: transfer.ImagePlan{Status: transfer.Take, Have: []bool{false}}}, true, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			k := c.keeper
			rep, err := transfer.Copy(t.Context(), source(t, body), &k, transfer.Options{DryRun: c.dry})
			if err != nil {
				t.Fatal(err)
			}
			if !c.dry && rep.Images != 1 {
				t.Errorf("%d images", rep.Images)
			}
			if len(k.blobs) != c.puts || bytes.Equal(k.blobs[layer], body) != c.layer {
				t.Errorf("%d blobs, layer of %d bytes", len(k.blobs), len(k.blobs[layer]))
			}
			m := k.offer.Images[0]
			if m.Platform.Architecture != "arm64" || m.Layers[0] != (transfer.Layer{DiffID: layer, Digest: layer, Size: int64(len(body)), Exact: true}) || m.Extra == 0 {
				t.Errorf("offered %+v", m)
			}
			if c.puts == 0 {
				return
			}
			var got struct {
				Architecture, Variant, Author string
				Config                        struct{ Cmd, Shell []string }
				RootFS                        ocispec.RootFS
			}
			if err := json.Unmarshal(k.blobs[m.Config], &got); err != nil {
				t.Fatal(err)
			}
			if got.Author != "somebody" || got.Variant != "v8" || len(got.Config.Cmd) != 2 || len(got.Config.Shell) != 2 {
				t.Errorf("config %s", k.blobs[m.Config])
			}
			if got.RootFS.Type != "layers" || len(got.RootFS.DiffIDs) != 1 || got.RootFS.DiffIDs[0] != layer {
				t.Errorf("rootfs %+v", got.RootFS)
			}
		})
	}
}

// TestSame checks that equal file systems and configs are one image.
func TestSame(t *testing.T) {
	ids := map[digest.Digest]bool{}
	for range 2 {
		s := source(t, rootTar(t))
		o, err := s.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ids[o.Images[0].ID] = true
		if err := s.Close(nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(ids) != 1 {
		t.Errorf("two images: %v", ids)
	}
}

// TestJoin gives two images and one that is equal to the first, by another name.
func TestJoin(t *testing.T) {
	body := rootTar(t)
	one, again := source(t, body), source(t, body)
	l, err := spool(t, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	c := rootfs.Config{}
	c.Platform = ocispec.Platform{OS: "linux", Architecture: "amd64"}
	other, err := rootfs.New(l, c, []string{"other:1"})
	if err != nil {
		t.Fatal(err)
	}
	s := rootfs.Join(one, other, again)
	images := s.Images()
	if len(images) != 2 || len(images[0].Refs) != 1 || images[0].Name() != "webapp:1.0" || images[1].Name() != "other:1" {
		t.Fatalf("%d images: %+v", len(images), images)
	}
	put := map[digest.Digest]bool{}
	x, err := s.Export(t.Context(), &transfer.Offer{Images: images}, &transfer.Plan{Images: []transfer.ImagePlan{
		{Status: transfer.Take, Have: []bool{false}}, {Status: transfer.Take, Have: []bool{false}}}}, blobSet(put))
	if err != nil || len(x.Images) != 2 || len(put) != 3 {
		t.Errorf("%v, %v, %d blobs", err, x, len(put))
	}
	if err := s.Close(nil); err != nil {
		t.Error(err)
	}
	for _, s := range []*rootfs.Source{one, other, again} {
		if _, err := s.Export(t.Context(), &transfer.Offer{Images: s.Images()}, &transfer.Plan{Images: []transfer.ImagePlan{
			{Status: transfer.Take, Have: []bool{false}}}}, blobSet(put)); err == nil {
			t.Error("its layer is still open")
		}
	}
}

// A blobSet notes which blobs were put.
type blobSet map[digest.Digest]bool

func (s blobSet) Put(_ context.Context, d ocispec.Descriptor, r io.Reader) error {
	s[d.Digest] = true
	_, err := io.Copy(io.Discard, r)
	return err
}
