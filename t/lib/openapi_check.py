#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Check an OpenAPI 3.1 document, and answers against it.

usage: openapi_check.py DOCUMENT ANSWERS

Every schema is checked against the meta-schema of JSON Schema 2020-12, which
is what OpenAPI 3.1 schemas are, by python3-jsonschema; so is the frame around
them, by a schema written here after the specification.  ANSWERS has a line of
JSON for each: {"method", "path", "status", "type", "body"}; path is the
template.  Prints what is wrong, a line each, and last how much was checked.
"""
import json
import re
import sys

import jsonschema

HTTP_METHODS = ["get", "put", "post", "delete", "options", "head", "patch"]
CONTENT = {
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "properties": {"schema": {"type": "object"}},
        "additionalProperties": False,
    },
}
FRAME = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["openapi", "info", "paths", "components"],
    "additionalProperties": False,
    "properties": {
        "openapi": {"pattern": "^3\\.1\\.[0-9]+$"},
        "info": {
            "type": "object",
            "required": ["title", "version"],
            "properties": {
                "title": {"type": "string"},
                "version": {"type": "string"},
                "license": {
                    "type": "object",
                    "required": ["name"],
                    "not": {"required": ["identifier", "url"]},
                },
            },
        },
        "paths": {
            "type": "object",
            "propertyNames": {"pattern": "^/"},
            "additionalProperties": {
                "type": "object",
                "propertyNames": {"enum": HTTP_METHODS},
                "additionalProperties": {"$ref": "#/$defs/operation"},
            },
        },
        "components": {
            "type": "object",
            "properties": {
                "schemas": {
                    "type": "object",
                    "propertyNames": {"pattern": "^[A-Za-z0-9._-]+$"},
                },
                "securitySchemes": {"type": "object"},
            },
        },
    },
    "$defs": {
        "operation": {
            "type": "object",
            "required": ["operationId", "responses", "summary", "tags"],
            "additionalProperties": False,
            "patternProperties": {"^x-": {}},
            "properties": {
                "operationId": {"type": "string"},
                "summary": {"type": "string"},
                "tags": {"type": "array", "items": {"type": "string"}},
                "security": {"type": "array", "items": {"type": "object"}},
                "parameters": {
                    "type": "array",
                    "items": {"$ref": "#/$defs/parameter"},
                },
                "requestBody": {
                    "type": "object",
                    "required": ["content"],
                    "additionalProperties": False,
                    "properties": {
                        "content": CONTENT,
                        "required": {"type": "boolean"},
                    },
                },
                "responses": {
                    "type": "object",
                    "minProperties": 1,
                    "propertyNames": {"pattern": "^([1-5][0-9][0-9]|default)$"},
                    "additionalProperties": {
                        "type": "object",
                        "required": ["description"],
                        "additionalProperties": False,
                        "properties": {
                            "description": {"type": "string"},
                            "content": CONTENT,
                            "headers": {"type": "object"},
                        },
                    },
                },
            },
        },
        "parameter": {
            "type": "object",
            "required": ["name", "in", "schema"],
            "additionalProperties": False,
            "properties": {
                "name": {"type": "string"},
                "in": {"enum": ["query", "header", "path", "cookie"]},
                "description": {"type": "string"},
                "required": {"type": "boolean"},
                "schema": {"type": "object"},
            },
            "if": {"properties": {"in": {"const": "path"}}},
            "then": {
                "required": ["required"],
                "properties": {"required": {"const": True}},
            },
        },
    },
}
Validator = jsonschema.Draft202012Validator
FORMATS = jsonschema.FormatChecker(formats=["uuid"])
faults = []


@FORMATS.checks("date-time")
def is_time(value):
    return not isinstance(value, str) or re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", value)


def fault(where, what):
    faults.append("%s: %s" % (where, what.replace("\n", " ")[:400]))


def schemas(value, where):
    """Every schema of the document with its place."""
    if isinstance(value, dict):
        for key, inner in value.items():
            here = "%s/%s" % (where, key)
            if key == "schema":
                yield here, inner
            elif key == "schemas":
                for name, schema in inner.items():
                    yield "%s/%s" % (here, name), schema
            else:
                yield from schemas(inner, here)
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from schemas(inner, "%s/%d" % (where, i))


def references(value):
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def check_document(doc):
    count = 0
    for error in Validator(FRAME).iter_errors(doc):
        fault("/".join(map(str, error.absolute_path)), error.message)
    for where, schema in schemas(doc, ""):
        count += 1
        for error in Validator(Validator.META_SCHEMA).iter_errors(schema):
            fault(where, error.message)
    for ref in references(doc):
        name = ref.rsplit("/", 1)[-1]
        if ref != "#/components/schemas/" + name or name not in doc["components"]["schemas"]:
            fault(ref, "refers to nothing")
    ids = [o["operationId"] for p in doc["paths"].values() for o in p.values()]
    for name in {i for i in ids if ids.count(i) > 1}:
        fault(name, "is the operationId of two")
    for path, item in doc["paths"].items():
        names = [p.split("}")[0] for p in path.split("{")[1:]]
        for method, operation in item.items():
            told = [p["name"] for p in operation.get("parameters", []) if p["in"] == "path"]
            if told != names:
                fault("%s %s" % (method, path), "its path has %s, not %s" % (names, told))
    return count


def check_answer(doc, a):
    where = "%s %s %s" % (a["method"], a["path"], a["status"])
    operation = doc["paths"].get(a["path"], {}).get(a["method"].lower())
    if operation is None:
        return fault(where, "is not described")
    told = operation["responses"]
    response = told.get(str(a["status"])) or (told.get("default") if a["status"] >= 400 else None)
    if response is None:
        return fault(where, "this status is not described")
    content = response.get("content")
    if content is None:
        if a["body"] is not None:
            fault(where, "has a body, but none is described")
        return None
    kind = (a["type"] or "").split(";")[0]
    if kind not in content:
        return fault(where, "%s is not described" % kind)
    schema = dict(content[kind]["schema"], components=doc["components"])
    if "json" not in kind:
        return None
    for error in Validator(schema, format_checker=FORMATS).iter_errors(a["body"]):
        fault("%s /%s" % (where, "/".join(map(str, error.absolute_path))), error.message)
    return None


def main():
    with open(sys.argv[1]) as file:
        doc = json.load(file)
    count = check_document(doc)
    with open(sys.argv[2]) as file:
        answers = [json.loads(line) for line in file]
    for a in answers:
        check_answer(doc, a)
    for line in faults:
        print(line)
    print("checked %d schemas and %d answers" % (count, len(answers)))
    return 1 if faults else 0


sys.exit(main())
