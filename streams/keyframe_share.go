package streams

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// natsFile bounds the sending or fetching of one keyframe file: 1M features are
// about 100 MB.
const natsFile = time.Minute

// sharedKeyframes is how many keyframes the cluster's object store holds. Nodes
// keep the older ones themselves.
const sharedKeyframes = 3

func (j *Journal) objectStore(ctx context.Context) (jetstream.ObjectStore, error) {
	_, js, err := j.b.conn()
	if err != nil {
		return nil, err
	}
	return js.CreateOrUpdateObjectStore(ctx, jetstream.ObjectStoreConfig{
		Bucket: "RASAD_KEYFRAMES_" + j.o.World, Storage: jetstream.FileStorage, Replicas: j.o.Replicas,
	})
}

// shareKeyframe puts a keyframe file into the cluster's object store, so that
// another node can start from it. An embedded server has no other node.
func (j *Journal) shareKeyframe(ctx context.Context, k keyframeFile) error {
	if j.embedded() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, natsFile)
	defer cancel()
	store, err := j.objectStore(ctx)
	if err != nil {
		return fmt.Errorf("open the cluster's keyframes: %w", err)
	}
	f, err := os.Open(k.path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if _, err := store.Put(ctx, jetstream.ObjectMeta{Name: filepath.Base(k.path)}, f); err != nil {
		return fmt.Errorf("share the keyframe of frame %d: %w", k.seq, err)
	}
	objects, err := j.sharedFiles(ctx, store)
	if err != nil {
		return err
	}
	for i, o := range objects {
		if i >= sharedKeyframes {
			if err := store.Delete(ctx, filepath.Base(o.path)); err != nil {
				return fmt.Errorf("remove a shared keyframe: %w", err)
			}
		}
	}
	return nil
}

// sharedFiles lists the keyframes in the cluster, newest first, with the paths
// that they have here.
func (j *Journal) sharedFiles(ctx context.Context, store jetstream.ObjectStore) ([]keyframeFile, error) {
	objects, err := listObjects(ctx, store)
	if err != nil && !errors.Is(err, jetstream.ErrNoObjectsFound) {
		return nil, fmt.Errorf("list the cluster's keyframes: %w", err)
	}
	var out []keyframeFile
	for _, o := range objects {
		if k, ok := parseKeyframeName(o.Name, j.o.World); ok && !strings.ContainsRune(o.Name, filepath.Separator) {
			k.path = filepath.Join(j.keyframeDir, o.Name)
			k.size = int64(o.Size)
			out = append(out, k)
		}
	}
	sortKeyframes(out)
	return out, nil
}

// listObjects asks again when nothing comes: a list is a subscription that waits
// for its end, and while the bucket's stream is electing its leader (seen with
// three servers that had just come up) the end never comes.
func listObjects(ctx context.Context, store jetstream.ObjectStore) (objects []*jetstream.ObjectInfo, err error) {
	for range 3 {
		try, cancel := context.WithTimeout(ctx, natsAnswer)
		objects, err = store.List(try)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
			return objects, err
		}
	}
	return nil, err
}

// fetchKeyframes copies from the cluster the keyframes that this node lacks.
func (c *recovery) fetchKeyframes(ctx context.Context) error {
	j := c.j
	store, err := j.objectStore(ctx)
	if err != nil {
		return fmt.Errorf("open the cluster's keyframes: %w", err)
	}
	shared, err := j.sharedFiles(ctx, store)
	if err != nil {
		return err
	}
	for _, k := range shared {
		if _, err := os.Stat(k.path); err == nil {
			continue
		}
		fetch, cancel := context.WithTimeout(ctx, natsFile)
		b, err := store.GetBytes(fetch, filepath.Base(k.path))
		cancel()
		if err != nil {
			return fmt.Errorf("fetch the keyframe of frame %d: %w", k.seq, err)
		}
		if err := writeSynced(k.path+".tmp", b); err != nil {
			return err
		}
		if err := os.Rename(k.path+".tmp", k.path); err != nil {
			return err
		}
	}
	if c.files, err = listKeyframes(j.keyframeDir, j.o.World); err != nil {
		return err
	}
	return syncDir(j.keyframeDir)
}
