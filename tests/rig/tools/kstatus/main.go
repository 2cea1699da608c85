// Command kstatus says of each object on stdin, as YAML documents or JSON, what the library kstatus
// makes of it: a line of JSON with its name, its status and a message. An empty object, as of a look
// at what is not there, is NotFound.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

type verdict struct {
	Name    string        `json:"name"`
	Status  status.Status `json:"status"`
	Message string        `json:"message"`
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "kstatus:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	objects := yaml.NewYAMLOrJSONDecoder(in, 4096)
	verdicts := json.NewEncoder(out)
	for {
		object := unstructured.Unstructured{}
		// Into the map, so that what has no kind is not refused.
		if err := objects.Decode(&object.Object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		verdict, err := judge(&object)
		if err != nil {
			return err
		}
		if err := verdicts.Encode(verdict); err != nil {
			return err
		}
	}
}

func judge(object *unstructured.Unstructured) (verdict, error) {
	if len(object.Object) == 0 {
		return verdict{Status: status.NotFoundStatus, Message: "Resource not found"}, nil
	}
	// Generations must be integers for the library; a generic decoder makes floats of them.
	raw, err := json.Marshal(object.Object)
	if err != nil {
		return verdict{}, err
	}
	if err := object.UnmarshalJSON(raw); err != nil {
		return verdict{}, err
	}
	result, err := status.Compute(object)
	if err != nil {
		return verdict{}, fmt.Errorf("%s: %w", object.GetName(), err)
	}
	return verdict{Name: object.GetName(), Status: result.Status, Message: result.Message}, nil
}
