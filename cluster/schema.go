package cluster

import (
	"encoding/json"
	"strings"
)

// Schema is a JSON schema of configurations (draft 2020-12).
func Schema() []byte {
	properties, open := make(map[string]any), make(map[string]any)
	var required []string
	for _, k := range Keys() {
		if k.Open {
			open[strings.TrimPrefix(k.Name, openSection+".")] = k.schema()
			continue
		}
		properties[k.Name] = k.schema()
		if k.Required {
			required = append(required, k.Name)
		}
	}
	properties[openSection] = map[string]any{
		"description": "an open network, which anybody may join over RLPx; without certificates the node is in no cluster",
		"type":        []string{"object", "null"}, "additionalProperties": false, "properties": open,
	}
	out, err := json.MarshalIndent(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "kith configuration",
		"type": "object", "additionalProperties": false, "properties": properties,
		"anyOf": []any{map[string]any{"required": required}, onlyOpen(required)},
	}, "", "  ")
	if err != nil {
		panic(err) // it is made of texts and numbers
	}
	return append(out, '\n')
}

// onlyOpen is a configuration without any key that a cluster requires.
func onlyOpen(required []string) map[string]any {
	s := map[string]any{"required": []string{openSection}}
	var none []any
	for _, key := range required {
		none = append(none, map[string]any{"required": []string{key}})
	}
	s["not"] = map[string]any{"anyOf": none}
	s["properties"] = map[string]any{openSection: map[string]any{"type": "object"}}
	return s
}

func (k Key) schema() map[string]any {
	s := map[string]any{"description": k.Meaning + "; " + k.rule}
	text := map[string]any{"type": "string"}
	texts := map[string]any{"type": "array", "items": text}
	orNull := func(t string) []string {
		if k.Required {
			return []string{t}
		}
		return []string{t, "null"}
	}
	switch k.Type {
	case "text":
		s["type"] = orNull("string")
	case "number":
		s["type"] = orNull("number")
	case "whole number":
		s["type"] = orNull("integer")
	case "text or list of texts":
		s["anyOf"] = []any{text, texts, map[string]any{"type": "null"}}
	case "list of 3 whole numbers":
		s["type"], s["items"], s["minItems"], s["maxItems"] = orNull("array"), map[string]any{"type": "integer", "minimum": 0, "maximum": 65535}, 3, 3
	default:
		s["type"] = orNull("array")
	}
	if k.Max != 0 {
		s["minimum"], s["maximum"] = k.Min, k.Max
		if k.Zero != "refused" {
			s["minimum"] = 0
		}
	}
	if k.Default != "" {
		s["default"] = json.RawMessage(k.Default)
	}
	return s
}
