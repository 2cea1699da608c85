package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// entry is a file of the archive.
type entry struct {
	name    string
	content []byte
}

// write writes the image as one archive: the OCI layout (oci-layout, index.json, blobs), and the
// manifest.json by which older engines find the same blobs.
func write(out, name string, image v1.Image, created time.Time) error {
	entries, err := layout(name, image)
	if err != nil {
		return err
	}
	var buffer bytes.Buffer
	archive := tar.NewWriter(&buffer)
	for _, entry := range entries {
		header := &tar.Header{Name: entry.name, Mode: 0o644, Size: int64(len(entry.content)), ModTime: created}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(entry.content); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return os.WriteFile(out, buffer.Bytes(), 0o644)
}

func layout(name string, image v1.Image) ([]entry, error) {
	manifest, err := image.RawManifest()
	if err != nil {
		return nil, err
	}
	config, err := image.RawConfigFile()
	if err != nil {
		return nil, err
	}
	blobs := [][]byte{manifest, config}
	layers, err := image.Layers()
	if err != nil {
		return nil, err
	}
	for _, layer := range layers {
		content, err := compressed(layer)
		if err != nil {
			return nil, err
		}
		blobs = append(blobs, content)
	}
	var entries []entry
	var paths []string
	for _, blob := range blobs {
		hash, _, err := v1.SHA256(bytes.NewReader(blob))
		if err != nil {
			return nil, err
		}
		path := fmt.Sprintf("blobs/%s/%s", hash.Algorithm, hash.Hex)
		paths = append(paths, path)
		entries = append(entries, entry{path, blob})
	}
	index, err := index(name, image)
	if err != nil {
		return nil, err
	}
	docker, err := json.Marshal(tarball.Manifest{{Config: paths[1], RepoTags: []string{name}, Layers: paths[2:]}})
	if err != nil {
		return nil, err
	}
	return append(entries,
		entry{"index.json", index},
		entry{"manifest.json", docker},
		entry{"oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)},
	), nil
}

// index is the list of images in the layout: this one, under the names by which engines look for it.
func index(name string, image v1.Image) ([]byte, error) {
	descriptor, err := partial.Descriptor(image)
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	descriptor.Platform = &v1.Platform{OS: config.OS, Architecture: config.Architecture}
	descriptor.Annotations = map[string]string{
		"io.containerd.image.name":          name,
		"org.opencontainers.image.ref.name": config.Config.Labels["org.opencontainers.image.version"],
	}
	return json.Marshal(v1.IndexManifest{
		SchemaVersion: 2,
		MediaType:     types.OCIImageIndex,
		Manifests:     []v1.Descriptor{*descriptor},
	})
}

func compressed(layer v1.Layer) ([]byte, error) {
	reader, err := layer.Compressed()
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	return io.ReadAll(reader)
}
