package docker

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/imgsend/imgsend/engine/internal/owner"
	"github.com/imgsend/imgsend/engine/layout"
	"github.com/imgsend/imgsend/transfer"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/identity"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// prefixLabel is the label of a prefix, an image without a name that holds the lowest
// layers of one. Its value is the tag of the owner who loaded it.
const prefixLabel = "imgsend.prefix"

// underWay has the IDs of the prefixes that transfers of this process load or have loaded
// and go on with. A process may receive several transfers at the same time, and one that
// has arrived must not remove what another one still needs.
var underWay sync.Map

// takesPrefixes reports whether prefixes of an image can be loaded. A containerd store
// unpacks images for its host, which it would not do with this one otherwise; and
// Docker 29 lists no image without a name that is for another platform, so that
// nobody would find its prefixes again.
func (e *Engine) takesPrefixes(m *transfer.Image) bool {
	return !e.keepsBlobs || layout.Matches(m.Platform, e.platform)
}

// prefix composes the image of a prefix. It is for the engine's platform, whatever its
// layers are for, and no two have the same ID.
func (s *Sink) prefix(st *stage) (config []byte, m *transfer.IndexImage, err error) {
	offered := &s.offer.Images[st.images[0]]
	created := time.Now().UTC()
	config, err = json.Marshal(ocispec.Image{
		Created:  &created,
		Platform: s.e.platform,
		Config:   ocispec.ImageConfig{Labels: map[string]string{prefixLabel: owner.Tag()}},
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: offered.DiffIDs()[:st.depth]},
	})
	if err != nil {
		return nil, nil, err
	}
	m = &transfer.IndexImage{Config: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: digest.FromBytes(config), Size: int64(len(config))}}
	m.Layers = s.layersOf(offered, st.depth)
	st.id = m.Config.Digest
	if s.e.keepsBlobs {
		var root ocispec.Descriptor
		_, root, err = layout.Compose(m)
		st.id = root.Digest
	}
	underWay.Store(st.id, nil)
	return config, m, err
}

// wholeImage composes an offered image out of what has come.
func (s *Sink) wholeImage(st *stage) (config []byte, m *transfer.IndexImage, err error) {
	offered := &s.offer.Images[st.images[0]]
	config = s.loads.configs[offered.Config]
	image := s.composed(transfer.IndexImage{ID: offered.ID, Config: s.loads.blobs[offered.Config]})
	image.Layers = s.layersOf(offered, st.depth)
	st.id = offered.Config
	return config, &image, nil
}

// layersOf returns the lowest layers of an offered image as they came or are here.
func (s *Sink) layersOf(offered *transfer.Image, depth int) []ocispec.Descriptor {
	out := make([]ocispec.Descriptor, depth)
	for j, l := range offered.Layers[:depth] {
		d, known := s.loads.blobs[l.Digest]
		if !known {
			d = s.here(l.DiffID, ocispec.Descriptor{Digest: l.Digest, Size: l.Size})
		}
		out[j] = d
	}
	return out
}

// hold loads the prefixes of layers that are here.
func (s *Sink) hold(ctx context.Context) error {
	t := s.loads
	held := map[digest.Digest]bool{}
	for i, ip := range s.plan.Images {
		m := &s.offer.Images[i]
		if ip.Status != transfer.Take || !s.takesPrefixes(m) {
			continue
		}
		var missing int64
		for j, l := range m.Layers {
			if !ip.Have[j] {
				missing += l.Size
			}
		}
		depth := slices.Index(ip.Have, false)
		if depth <= 0 || missing < leastStage {
			continue
		}
		for j, l := range m.Layers {
			if ip.Have[j] && m.Root != "" && s.content != nil {
				blob, err := s.content.Describe(ctx, l.Digest)
				if err != nil {
					return err
				}
				t.blobs[l.Digest] = blob
			}
		}
		if top := identity.ChainID(m.DiffIDs()[:depth]); !held[top] {
			held[top] = true
			t.prefixes = append(t.prefixes, &stage{images: []int{i}, depth: depth, holds: true, done: make(chan struct{})})
		}
	}
	if err := s.endFilled(); err != nil {
		return err
	}
	return t.wait(ctx)
}

// endLoads ends the loads of a round. Of an image that did not arrive the largest prefix
// that was loaded stays for the next try, and is found present then. The others are
// removed; if the images have arrived, also what earlier tries kept of them.
func (s *Sink) endLoads(grace time.Duration) {
	t := s.loads
	if t == nil {
		return
	}
	s.loads = nil
	t.close(grace)
	stay := map[int]*stage{}
	var gone []digest.Digest
	for _, st := range t.prefixes {
		underWay.Delete(st.id)
		if st.err != nil || st.id == "" {
			continue
		}
		if st.whole {
			if st.new {
				t.fresh = append(t.fresh, st.id)
			}
			continue
		}
		if i := st.images[0]; !st.holds && !s.arrived {
			stay[i], st = st, stay[i] // the larger one
		}
		if st != nil {
			gone = append(gone, st.id)
		}
	}
	if !s.arrived {
		s.discard(t.fresh)
	}
	if len(stay) > 0 { // else what an earlier round kept is still here
		s.kept = s.keptBy(stay)
	}
	for _, st := range stay {
		s.stayed = append(s.stayed, st.id)
	}
	if s.arrived {
		gone = append(gone, s.stayed...)
	}
	ctx, cancel := cleanupContext(context.Background())
	defer cancel()
	s.removePrefixes(ctx, gone)
}

// keptBy returns which layers of the offered images, each counted once, these prefixes
// keep. They are by the places of their images.
func (s *Sink) keptBy(stay map[int]*stage) transfer.Kept {
	var out transfer.Kept
	counted := map[digest.Digest]bool{} // whether a layer is kept
	for i, ip := range s.plan.Images {
		for j, have := range ip.Have {
			l := s.offer.Images[i].Layers[j]
			was, seen := counted[l.DiffID]
			if have || was {
				continue
			}
			if !seen {
				out.Of++
			}
			if st := stay[i]; st != nil && j < st.depth {
				out.Layers++
				out.Bytes += l.Size
				was = true
			}
			counted[l.DiffID] = was
		}
	}
	return out
}

// Kept says what the engine has of a failed transfer for the next try.
func (s *Sink) Kept() transfer.Kept { return s.kept }

// A kept is a prefix that is in an engine.
type kept struct {
	image.Summary
	owner owner.Owner
}

// prefixes lists the prefixes in the engine that nobody has named.
func (e *Engine) prefixes(ctx context.Context) ([]kept, error) {
	list, err := e.api.ImageList(ctx, image.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", prefixLabel))})
	if err != nil {
		return nil, err
	}
	var out []kept
	for _, s := range list {
		if o, ok := prefixOf(s); ok {
			out = append(out, kept{s, o})
		}
	}
	return out, nil
}

// prefixOf returns who loaded a prefix. It reports false for any other image, and for
// one that has a name by now; Docker before 25 lists "<none>:<none>" as one.
func prefixOf(s image.Summary) (o owner.Owner, ok bool) {
	if slices.ContainsFunc(s.RepoTags, func(ref string) bool { return ref != "<none>:<none>" }) {
		return o, false
	}
	return owner.Parse(s.Labels[prefixLabel])
}

// removePrefixes removes the prefixes with these IDs, and if the images have arrived
// those of them that ended transfers of this process, or gone owners, kept.
func (s *Sink) removePrefixes(ctx context.Context, own []digest.Digest) {
	if len(own) == 0 && !s.arrived {
		return
	}
	list, err := s.e.prefixes(ctx)
	if err != nil {
		return
	}
	now := time.Now()
	for _, k := range list {
		id := digest.Digest(k.ID)
		_, used := underWay.Load(id)
		left := k.owner.Mine() && !used || k.owner.Gone(now)
		if slices.Contains(own, id) || s.arrived && left && s.arrivedOver(ctx, id) {
			_, _ = s.e.api.ImageRemove(ctx, k.ID, image.RemoveOptions{})
		}
	}
}

// arrivedOver reports whether an offered image has the layers of the image id as its
// lowest ones.
func (s *Sink) arrivedOver(ctx context.Context, id digest.Digest) bool {
	l, err := s.e.find(ctx, id.String())
	if err != nil {
		return false
	}
	ids := l.diffIDs()
	return slices.ContainsFunc(s.offer.Images, func(m transfer.Image) bool {
		return len(m.Layers) >= len(ids) && slices.Equal(m.DiffIDs()[:len(ids)], ids)
	})
}

// Clean removes the prefixes whose owners are gone.
func (e *Engine) Clean(ctx context.Context) (removed []digest.Digest, err error) {
	list, err := e.prefixes(ctx)
	if err != nil {
		return nil, failed("list images", err)
	}
	for _, k := range list {
		if !k.owner.Gone(time.Now()) {
			continue
		}
		if _, err := e.api.ImageRemove(ctx, k.ID, image.RemoveOptions{}); err != nil {
			return removed, failed("remove "+k.ID, err)
		}
		removed = append(removed, digest.Digest(k.ID))
	}
	return removed, nil
}

// sweep removes names that killed runs left in the engine, and images with no
// other name; and what failed transfers of a day ago and more have kept. What cannot
// be removed now is left to the next run.
func (e *Engine) sweep(ctx context.Context) {
	list, err := e.api.ImageList(ctx, image.ListOptions{})
	if err == nil {
		e.sweepListed(ctx, list)
	}
}

// sweepListed is sweep for images that have been listed.
func (e *Engine) sweepListed(ctx context.Context, list []image.Summary) {
	now := time.Now()
	for _, s := range list {
		if o, ok := prefixOf(s); ok && o.Gone(now) && now.Sub(time.Unix(o.Since, 0)) > owner.LeftoverAge {
			_, _ = e.api.ImageRemove(ctx, s.ID, image.RemoveOptions{})
		}
		for _, ref := range s.RepoTags {
			if o, ok := temporary(ref); ok && o.Gone(now) {
				_, _ = e.api.ImageRemove(ctx, ref, image.RemoveOptions{})
			}
		}
	}
}

// temporary returns who gave a temporary name. Podman lists names in full, Docker
// in short.
func temporary(ref string) (o owner.Owner, ok bool) {
	i := strings.LastIndexByte(ref, ':')
	if i < 0 {
		return o, false
	}
	repo := strings.TrimPrefix(ref[:i], "docker.io/library/")
	if repo != commitRepo && !strings.HasSuffix(repo, "/"+pushRepo) {
		return o, false
	}
	return owner.Parse(ref[i+1:])
}
