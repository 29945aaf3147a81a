# SPDX-License-Identifier: Apache-2.0
"""Reads a stream of oomwitness (NDJSON) as strictly as a consumer might, and checks what holds for every stream.

Source: /docs/schema/oomwitness.v1.schema.json and the design's section on the stream.
"""

from __future__ import annotations

import json
from pathlib import Path

ENVELOPE = ("schema", "type", "time", "monotonic_ns", "host", "boot_id", "seq")
SENTINEL = 1 << 62  # LONG_MIN and LONG_MAX stand for "never" and "always" in the kernel, and are no numbers of anything
SCHEMA = Path(__file__).resolve().parents[2] / "docs/schema/oomwitness.v1.schema.json"


def read_stream(path: Path) -> tuple[list[dict], list[str]]:
    """The events of a stream in order, and what is wrong with it as a stream."""
    raw = path.read_bytes()
    problems: list[str] = []
    events: list[dict] = []
    if raw and not raw.endswith(b"\n"):
        problems.append("stream: the last line has no end")
    for number, line in enumerate(raw.split(b"\n")[:-1], 1):
        try:
            event = json.loads(line.decode("utf-8"), object_pairs_hook=unique, parse_constant=refuse)
        except ValueError as error:
            problems.append(f"line {number}: not JSON: {error}")
            continue
        events.append(event)
        problems += [f"line {number}: {problem}" for problem in check_line(event, line)]
    problems += check_order(events)
    problems += check_schema(events)
    return events, problems


def unique(pairs: list[tuple[str, object]]) -> dict:
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise ValueError(f"a field twice in {names}")
    return dict(pairs)


def refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def check_line(event: dict, line: bytes) -> list[str]:
    """The envelope, no raw control character, no sentinel told as a number, nothing null."""
    problems = [f"{name}: absent" for name in ENVELOPE if name not in event]
    if event.get("schema") != "oomwitness.v1":
        problems.append(f"schema: {event.get('schema')!r}")
    if any(byte < 0x20 or byte == 0x7F for byte in line):
        problems.append("a control character that a terminal would obey")
    for path, value in leaves(event):
        if value is None or value == "":
            problems.append(f"{path}: {value!r}, and what was not observed is absent")
        elif isinstance(value, int) and abs(value) >= SENTINEL:
            problems.append(f"{path}: {value} is a sentinel of the kernel, not a number")
    return problems


def leaves(value: object, path: str = "") -> list[tuple[str, object]]:
    if isinstance(value, dict):
        return [leaf for name, child in value.items() for leaf in leaves(child, f"{path}.{name}".lstrip("."))]
    if isinstance(value, list):
        return [leaf for index, child in enumerate(value) for leaf in leaves(child, f"{path}[{index}]")]
    # An argument or a comm may be empty: that was observed.
    return [] if value == "" and ("cmdline" in path or path.endswith("comm")) else [(path, value)]


def check_order(events: list[dict]) -> list[str]:
    """seq from 1 without holes, stream_start first and stream_end last, each once."""
    problems: list[str] = []
    numbers = [event.get("seq") for event in events]
    if numbers != list(range(1, len(events) + 1)):
        problems.append(f"seq: 1 to {len(events)} expected, ours {numbers}")
    types = [event.get("type") for event in events]
    for kind, place in (("stream_start", 0), ("stream_end", -1)):
        if types.count(kind) != 1 or types[place] != kind:
            problems.append(f"{kind}: expected once as line {place}, ours {types}")
    if len({(event.get("host"), event.get("boot_id")) for event in events}) > 1:
        problems.append("host, boot_id: not the same in each line")
    return problems


def check_schema(events: list[dict]) -> list[str]:
    """Against the schema, where both it and the module `jsonschema` are there."""
    try:
        import jsonschema
    except ImportError:
        return []
    if not SCHEMA.exists():
        return []
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
    return [
        f"line {number}: {'.'.join(map(str, error.absolute_path))}: {error.message[:200]}"
        for number, event in enumerate(events, 1)
        for error in validator.iter_errors(event)
    ]


def name_bytes(place: dict | None, key: str = "comm") -> bytes | None:
    """The bytes of a name: those of `KEY_hex` where it is there, else those of the text."""
    if not place or key not in place:
        return None
    return bytes.fromhex(place[f"{key}_hex"]) if f"{key}_hex" in place else place[key].encode()
