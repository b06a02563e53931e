package cli

import (
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// A definition is what the tests read of a JSON Schema.
type definition struct {
	Ref        string                `json:"$ref"`
	Type       string                `json:"type"`
	Format     string                `json:"format"`
	Const      any                   `json:"const"`
	Enum       []string              `json:"enum"`
	Items      *definition           `json:"items"`
	Properties map[string]definition `json:"properties"`
	Required   []string              `json:"required"`
	OneOf      []definition          `json:"oneOf"`
	Defs       map[string]definition `json:"$defs"`
	Text       string                `json:"description"`
}

const refPrefix = "#/$defs/"

func readSchema(t *testing.T) definition {
	t.Helper()
	data, err := os.ReadFile("events.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema definition
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	return schema
}

// The schema has every event and every object in one, with the same members, and nothing
// else.
func TestSchemaIsThatOfTheEvents(t *testing.T) {
	schema := readSchema(t)
	seen := map[string]bool{}
	var refs, want []string
	for _, one := range schema.OneOf {
		refs = append(refs, one.Ref)
	}
	for _, e := range events {
		want = append(want, refPrefix+e.name+"Event")
		compare(t, schema, e.name+"Event", reflect.TypeOf(e.object), seen)
		if got := schema.Defs[e.name+"Event"].Properties["event"].Const; got != e.name {
			t.Errorf("%s is %v in the schema", e.name, got)
		}
	}
	if !slices.Equal(refs, want) {
		t.Errorf("events of the schema: %q, want %q", refs, want)
	}
	for name := range schema.Defs {
		if !seen[name] {
			t.Errorf("%s is in the schema alone", name)
		}
	}
}

// compare checks one definition of the schema against the struct that it is for.
func compare(t *testing.T, schema definition, name string, object reflect.Type, seen map[string]bool) {
	t.Helper()
	if seen[name] {
		return
	}
	seen[name] = true
	def := schema.Defs[name]
	if def.Type != "object" || def.Text == "" {
		t.Errorf("%s: type %q, description %q", name, def.Type, def.Text)
	}
	var required []string
	members := map[string]bool{}
	for i := range object.NumField() {
		field := object.Field(i)
		member, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		members[member] = true
		if !strings.Contains(options, "omitempty") {
			required = append(required, member)
		}
		got, found := def.Properties[member]
		switch {
		case !found:
			t.Errorf("%s: the schema has no %s", name, member)
		case member == "event":
		case got.Text == "":
			t.Errorf("%s: %s has no description", name, member)
		default:
			compareType(t, schema, name+"."+member, got, field.Type, seen)
		}
	}
	for member := range maps.Keys(def.Properties) {
		if !members[member] {
			t.Errorf("%s: %s is in the schema alone", name, member)
		}
	}
	if !slices.Equal(def.Required, required) {
		t.Errorf("%s: required are %q, want %q", name, def.Required, required)
	}
}

// compareType checks the definition of a member against its type in Go.
func compareType(t *testing.T, schema definition, name string, got definition, typ reflect.Type, seen map[string]bool) {
	t.Helper()
	want := definition{}
	switch typ.Kind() {
	case reflect.Pointer:
		compareType(t, schema, name, got, typ.Elem(), seen)
		return
	case reflect.Slice:
		if got.Type != "array" || got.Items == nil {
			t.Errorf("%s: no array in the schema", name)
			return
		}
		compareType(t, schema, name, *got.Items, typ.Elem(), seen)
		return
	case reflect.Struct:
		if kind(typ) != "time" {
			want.Ref = refPrefix + kind(typ)
			compare(t, schema, kind(typ), typ, seen)
			break
		}
		want.Type, want.Format = "string", "date-time"
	case reflect.String:
		want.Type = "string"
	case reflect.Bool:
		want.Type = "boolean"
	case reflect.Float64:
		want.Type = "number"
	case reflect.Int, reflect.Int64:
		want.Type = "integer"
	default:
		t.Fatalf("%s: what is a %s in a schema?", name, typ)
	}
	if got.Type != want.Type || got.Format != want.Format || got.Ref != want.Ref {
		t.Errorf("%s: %q %q %q, want %q %q %q", name, got.Type, got.Format, got.Ref, want.Type, want.Format, want.Ref)
	}
}

// The schema has the words that the programs use.
func TestSchemaHasEveryWord(t *testing.T) {
	defs := readSchema(t).Defs
	var codes []string
	for _, w := range warnings {
		codes = append(codes, w.code)
	}
	for _, c := range []struct {
		event, member string
		want          []string
	}{
		{"warning", "code", codes},
		{"error", "kind", errorKinds()},
		{"error", "side", []string{SideHere, SideThere, SideLine}},
		{"retry", "kind", []string{RetryFull, RetryWait, RetryAnew}},
	} {
		if got := defs[c.event+"Event"].Properties[c.member].Enum; !slices.Equal(got, c.want) {
			t.Errorf("%s of %s: %q, want %q", c.member, c.event, got, c.want)
		}
	}
	if got := defs["startEvent"].Properties["version"].Const; got != float64(EventVersion) {
		t.Errorf("version %v, want %d", got, EventVersion)
	}
}
