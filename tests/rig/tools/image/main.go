// Command image makes a container image of a folder, without a container engine.
//
// The archive it writes is an OCI image layout and a Docker archive in one, as `docker save` makes
// them: every engine loads it. The same folder and flags make the same bytes.
package main

import (
	"archive/tar"
	"bytes"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("image: ")
	root := flag.String("root", "", "folder with the files of the image")
	out := flag.String("out", "", "archive to write")
	name := flag.String("name", "", "name and tag of the image")
	arch := flag.String("arch", "amd64", "architecture, as Go names it")
	version := flag.String("version", "", "version of the program")
	revision := flag.String("revision", "", "commit")
	epoch := flag.Int64("epoch", 0, "time of everything in the image, in seconds since 1970")
	flag.Parse()
	if err := run(*root, *out, *name, *arch, *version, *revision, time.Unix(*epoch, 0).UTC()); err != nil {
		log.Fatal(err)
	}
}

func run(root, out, name, arch, version, revision string, created time.Time) error {
	files, err := archive(root, created)
	if err != nil {
		return err
	}
	image, err := assemble(files, config(version, revision, arch, created))
	if err != nil {
		return err
	}
	if err := write(out, name, image, created); err != nil {
		return err
	}
	return check(out)
}

// check reads the archive as an engine does.
func check(archive string) error {
	image, err := tarball.ImageFromPath(archive, nil)
	if err != nil {
		return err
	}
	return validate.Image(image)
}

// config says how the image is run, and what it is. The last stage of the Dockerfile says the same;
// a test compares them.
func config(version, revision, arch string, created time.Time) *v1.ConfigFile {
	return &v1.ConfigFile{
		Architecture: arch,
		OS:           "linux",
		Created:      v1.Time{Time: created},
		RootFS:       v1.RootFS{Type: "layers"},
		History: []v1.History{{
			Created:   v1.Time{Time: created},
			CreatedBy: ".ci/release",
		}},
		Config: v1.Config{
			User:       "65532:65532",
			Entrypoint: []string{"/tempcred"},
			Cmd:        []string{"run"},
			WorkingDir: "/",
			Labels: map[string]string{
				"org.opencontainers.image.title":       "tempcred",
				"org.opencontainers.image.description": "Kubernetes operator that keeps Secrets filled with short-lived AWS credentials from STS",
				"org.opencontainers.image.version":     version,
				"org.opencontainers.image.revision":    revision,
				"org.opencontainers.image.source":      "https://github.com/tempcred/tempcred",
				"org.opencontainers.image.licenses":    "Apache-2.0",
				"org.opencontainers.image.created":     created.Format(time.RFC3339),
			},
		},
	}
}

// archive makes the one layer: every file belongs to root, and is as old as the commit.
func archive(root string, created time.Time) ([]byte, error) {
	var buffer bytes.Buffer
	files := tar.NewWriter(&buffer)
	// WalkDir goes in the order of names.
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		header := &tar.Header{Name: name, ModTime: created, Typeflag: tar.TypeReg, Mode: 0o644}
		if entry.IsDir() {
			header.Name, header.Typeflag, header.Mode = name+"/", tar.TypeDir, 0o755
			return files.WriteHeader(header)
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is not a regular file", path)
		}
		// Of the mode only this counts: the rest depends on the umask of whoever builds.
		if info.Mode()&0o100 != 0 {
			header.Mode = 0o755
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		header.Size = int64(len(content))
		if err := files.WriteHeader(header); err != nil {
			return err
		}
		_, err = files.Write(content)
		return err
	})
	if err != nil {
		return nil, err
	}
	// Before the bytes are taken: this writes the end of the archive.
	if err := files.Close(); err != nil {
		return nil, err
	}
	return buffer.Bytes(), nil
}

// assemble puts the layer and the configuration together.
func assemble(files []byte, config *v1.ConfigFile) (v1.Image, error) {
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files)), nil }
	layer, err := tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
	if err != nil {
		return nil, err
	}
	history := config.History[0]
	config.History = nil
	image := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	image = mutate.ConfigMediaType(image, types.OCIConfigJSON)
	if image, err = mutate.ConfigFile(image, config); err != nil {
		return nil, err
	}
	return mutate.Append(image, mutate.Addendum{Layer: layer, History: history})
}
