package clitest

import (
	"bytes"
	"fmt"
	"os"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Events checks what a program prints with --json.
type Events struct{ schema *jsonschema.Schema }

// OpenEvents reads the schema of the events from a file. Readers accept members that the
// schema does not have, and Events does not.
func OpenEvents(file string) (*Events, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	closeObjects(doc)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("events.schema.json", doc); err != nil {
		return nil, err
	}
	schema, err := c.Compile("events.schema.json")
	if err != nil {
		return nil, err
	}
	return &Events{schema}, nil
}

// closeObjects forbids more members than the properties of each object.
func closeObjects(schema any) {
	switch s := schema.(type) {
	case map[string]any:
		for _, part := range s {
			closeObjects(part)
		}
		if s["properties"] != nil && s["type"] == "object" {
			s["additionalProperties"] = false
		}
	case []any:
		for _, part := range s {
			closeObjects(part)
		}
	}
}

// Check checks the output of one run, which starts with a start event.
func (e *Events) Check(output []byte) error {
	for i, line := range bytes.Split(bytes.TrimSuffix(output, []byte("\n")), []byte("\n")) {
		if len(output) == 0 {
			break
		}
		object, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
		if err == nil {
			err = e.schema.Validate(object)
		}
		if err != nil {
			return fmt.Errorf("no event of the schema: %s: %w", line, err)
		}
		if first := object.(map[string]any)["event"] == "start"; first != (i == 0) {
			return fmt.Errorf("line %d: the first event, and no other, is start: %s", i+1, line)
		}
	}
	return nil
}
