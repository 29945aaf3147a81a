// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A schema of docs/schema that may refer to the others there, as the judge of lines.
public enum SchemaJudge {
  /// Says each thing that the schema refuses, each of its fields that is not described, each object that is open, and
  /// where `--all` is given each field, at any depth, that no line has; those of another schema are not its own.
  private static let script = """
    import json, os, sys
    from jsonschema import Draft202012Validator
    folder, name, path = sys.argv[1:4]
    def load(name): return json.load(open(folder + "/" + name))
    schema = load(name)
    Draft202012Validator.check_schema(schema)
    try:
        from referencing import Registry, Resource
        known = Registry().with_resources(
            [(file, Resource.from_contents(load(file))) for file in os.listdir(folder) if file.endswith(".json")])
        validator = Draft202012Validator(schema, registry=known)
    except ImportError:
        from jsonschema import RefResolver
        store = {file: load(file) for file in os.listdir(folder) if file.endswith(".json")}
        validator = Draft202012Validator(schema, resolver=RefResolver(schema.get("$id", name), schema, store=store))
    def described(node, document):
        if "description" in node: return True
        if "$ref" not in node: return False
        file, _, pointer = node["$ref"].partition("#/")
        document = load(file) if file else document
        target = document
        for key in pointer.split("/"): target = target[key]
        return described(target, document)
    def walk(node, path):
        for field, child in node.get("properties", {}).items():
            if not described(child, schema): print("no description:", path + field)
            if "$ref" not in child: walk(child, path + field + ".")
        if "properties" in node and node.get("additionalProperties") is not False: print("open:", path)
        if "items" in node and "$ref" not in node["items"]: walk(node["items"], path)
    walk(schema, "")
    for part in schema.get("$defs", {}).values(): walk(part, "")
    def cover(node, values, path):
        if "$ref" in node:
            if node["$ref"][0] != "#": return
            target = schema
            for key in node["$ref"][2:].split("/"): target = target[key]
            node = target
        for field, child in node.get("properties", {}).items():
            found = [value[field] for value in values if field in value]
            if found: cover(child, found, path + field + ".")
            else: print("never written:", path + field)
        if "items" in node: cover(node["items"], [item for value in values for item in value], path)
    lines, seen = 0, []
    for line in open(path, newline="\\n"):
        value = json.loads(line)
        for row in value if isinstance(value, list) else [value]:
            lines += 1
            seen.append(row)
            for error in validator.iter_errors(row):
                print("/".join(map(str, error.absolute_path)) + ":", error.message[:200])
    if "--all" in sys.argv: cover(schema, seen, "")
    print("judged:", lines > 0)
    """

  /// What is wrong with the schema or the lines, and `judged: True` where there were any.
  public static func judged(_ schema: String, _ lines: String, wantsAllFields: Bool = false) -> String {
    let path = Python.temporaryFile(lines)
    defer { unlink(path) }
    return Python.run(script, [Repository.root + "/docs/schema", schema, path] + (wantsAllFields ? ["--all"] : []))
      .output
  }
}
