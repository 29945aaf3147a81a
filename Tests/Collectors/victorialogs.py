# SPDX-License-Identifier: Apache-2.0
"""VictoriaLogs: a server that takes Loki's push protocol, NDJSON and syslog, and what it finds again of each line."""

from __future__ import annotations

import json
import re
import signal
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import yaml

from nexthop import nanoseconds, severity
from parts import FLEET, Part, answers, controls_as_spaces, lines_by_number, wait

HTTP = "127.0.0.1:9428"
SYSLOG_PORT = 15518
DATA_ID = "oomwitness@32473"
# Of rows it tells whether they are on disk, of the index of a stream that is new it does not: that takes five seconds. Without it the
# rows are there and no query shows them. File: VictoriaMetrics, lib/mergeset/table.go, dataFlushInterval
INDEX_SECONDS = 7
NO_SENTENCE = "missing _msg field; see https://docs.victoriametrics.com/victorialogs/keyconcepts/#message-field"


class Store(Part):
    """Killed by SIGKILL once what has come is on its disk: what it has answered for and not written yet is lost, which no sink can mend."""

    is_kept: Callable[[], bool]

    def stop(self, how: signal.Signals) -> int:
        if how == signal.SIGKILL:
            wait("VictoriaLogs to have on disk what came", self.is_kept)
        return super().stop(how)


class VictoriaLogs:
    """Three sinks; rows of each are told apart by what only they have."""

    def __init__(self, work: Path):
        from build import VICTORIA_LOGS, get_program

        folder = get_program(VICTORIA_LOGS)
        self.work, self.number = work, (folder / "version").read_text().strip()
        settings = (FLEET / "victorialogs.yaml").read_text()
        self.sinks = yaml.safe_load(settings)["sinks"]
        words = re.search(r"victoria-logs (-.*)", settings)[1].replace("DIR", str(work / "victoria-logs")).split()
        command = [folder / "victoria-logs", *words, f"-httpListenAddr={HTTP}"]
        store = Store("victoria-logs", work, command, lambda: answers(9428) and answers(SYSLOG_PORT))
        store.is_kept = self.is_kept
        self.first, self.second = [store], []
        self.without_text = 0
        self.streams, self.since = 0, time.monotonic()

    def version(self) -> str:
        return self.number

    def is_kept(self) -> bool:
        told = lines_by_number(self.work).values()
        streams = len({event["type"] for _, event in told})
        if streams != self.streams:
            self.streams, self.since = streams, time.monotonic()
        if time.monotonic() < self.since + INDEX_SECONDS or rows_in_memory():
            return False
        lines = {line for line, _ in told}
        return all(lines <= set(came) for came in self.arrived().values())

    def arrived(self) -> dict[str, list[bytes]]:
        told = lines_by_number(self.work)
        found = rows()
        return {
            "VictoriaLogs: loki": [row["_msg"].encode() + b"\n" for row in found if is_loki(row)],
            "VictoriaLogs: http, jsonline": [line_of(row, told) for row in found if "schema" in row],
            "VictoriaLogs: syslog over TCP, json": [message_of(row, told) for row in found if "msg_id" in row],
        }

    def faults(self, told: dict[str, dict]) -> list[str]:
        faults = []
        for row in rows():
            if row["_msg"] == NO_SENTENCE and "msg_id" in row:
                # message_of has looked at it.
                self.without_text += 1
                continue
            line = row if "schema" in row else json.loads(row["_msg"])
            key = f"{line['stream']}/{line['seq']}"
            faults += [f"VictoriaLogs: {key}: {name} is {is_!r}, not {value!r}" for name, is_, value in pairs(row, told[key]) if is_ != value]
        return faults

    def note(self) -> str:
        text = "labels and times of loki, each value of jsonline, and the structured data of syslog are the line's"
        return text + f"; {self.without_text} messages of syslog came without text and data, for a backslash at a value's end"


def pairs(row: dict, event: dict) -> list[tuple]:
    """Name, what the row has, and what the event has, of all that is beside the line. Of jsonline each value was looked at: line_of."""
    moment = nanoseconds(event["time"])
    labels = {"host": event["host"], "type": event["type"]}
    if "msg_id" in row:
        wanted = syslog_fields(event)
        # Six digits of a second at most. Source: RFC 5424, 6.2.3.
        moment -= moment % 1000
    else:
        labels |= {"cluster": "bed", "job": "oomwitness"} if is_loki(row) else {}
        wanted = labels | {"_stream": "{" + ",".join(f"{name}={json.dumps(labels[name])}" for name in sorted(labels)) + "}"}
    return [("_time", nanoseconds(row["_time"]), moment)] + [(name, row.get(name), value) for name, value in wanted.items()]


def is_loki(row: dict) -> bool:
    return row.get("job") == "oomwitness"


def rows() -> list[dict]:
    with urllib.request.urlopen(f"http://{HTTP}/select/logsql/query?query=*", timeout=60) as answer:
        return [json.loads(line) for line in answer.read().splitlines()]


def rows_in_memory() -> int:
    with urllib.request.urlopen(f"http://{HTTP}/metrics", timeout=60) as answer:
        return int(re.search(r'^vl_storage_rows\{type="storage/inmemory"\} (\d+)', answer.read().decode(), re.MULTILINE)[1])


def line_of(row: dict, told: dict) -> bytes:
    """The line that a row of jsonline is of, where all its fields are the line's; else the row."""
    fields = {name: value for name, value in row.items() if name not in ("_stream", "_stream_id", "_time")}
    line, _ = told.get((row.get("boot_id"), row.get("seq")), (b"", {}))
    return line if line and with_lists(fields) == with_lists(flattened(line)) else json.dumps(row).encode()


def message_of(row: dict, told: dict) -> bytes:
    """The line as it came. VictoriaLogs 1.112 takes an escaped backslash at the end of a value for an escaped quote, and drops text and
    structured data of such a message: its line is known by its type and time. File: lib/logstorage/syslog_parser.go, parseRFC5424SDLine
    """
    if row["_msg"] == NO_SENTENCE:
        for line, event in told.values():
            values = [value for name, value in syslog_fields(event).items() if name.startswith(DATA_ID)]
            is_same = event["type"] == row["msg_id"] and nanoseconds(event["time"]) // 1000 == nanoseconds(row["_time"]) // 1000
            if is_same and any(value.endswith("\\") for value in values):
                return line
    return row["_msg"].encode() + b"\n"


def flattened(line: bytes) -> dict[str, str]:
    """As VictoriaLogs makes fields of a line: numbers as they are written, no fields of null and of empty text."""
    fields: dict[str, str] = {}

    def add(name: str, value: object) -> None:
        if isinstance(value, dict):
            for inner, one in value.items():
                add(f"{name}.{inner}" if name else inner, one)
        elif isinstance(value, bool):
            fields[name] = "true" if value else "false"
        elif isinstance(value, list):
            fields[name] = json.dumps(value)
        elif value not in (None, ""):
            fields[name] = value

    add("", json.loads(line, parse_int=str, parse_float=str))
    fields.pop("time")
    sentence = "explanation" if "explanation" in fields else "detail"
    fields["_msg"] = fields.pop(sentence, NO_SENTENCE)
    return fields


def with_lists(fields: dict[str, str]) -> dict[str, object]:
    """Lists as such: their escapes may be others."""
    return {name: listed(value) if name != "_msg" else value for name, value in fields.items()}


def listed(value: str) -> object:
    try:
        return json.loads(value, parse_int=str, parse_float=str) if value.startswith("[") else value
    except ValueError:
        # A kernel thread's name is in brackets too.
        return value


def syslog_fields(event: dict) -> dict[str, str]:
    subject = event.get("victim") or event.get("process") or event.get("task") or {}
    data = {
        "seq": event["seq"], "boot_id": event["boot_id"], "scope": event.get("scope"), "level": event.get("level"),
        "decision": (event.get("decision") or {}).get("id"), "pid": subject.get("pid"),
        "comm": controls_as_spaces(subject.get("comm") or ""), "cgroup": (subject.get("cgroup") or {}).get("path"),
    }  # fmt: skip
    fields = {f"{DATA_ID}.{name}": str(value) for name, value in data.items() if value not in (None, "")}
    return fields | {"hostname": event["host"], "app_name": "oomwitness", "msg_id": event["type"], "severity": str(severity(event))}
