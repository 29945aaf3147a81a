# SPDX-License-Identifier: Apache-2.0
"""What stands behind the Collector: it decodes OTLP by the official protobuf definitions, refuses for a while, and goes away."""

from __future__ import annotations

import datetime
import gzip
import itertools
import json
import signal
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse

# Syslog's severity, which is that of the type: number and text. Source: OpenTelemetry, "Logs Data Model", appendix B.
SEVERITIES = {2: (18, "CRITICAL"), 3: (17, "ERROR"), 4: (13, "WARNING"), 5: (10, "NOTICE"), 6: (9, "INFO")}


class NextHop:
    """`stop` with SIGTERM makes it answer 503 and 429 in turn, with SIGKILL it is gone; `start` brings it back."""

    def __init__(self, port: int):
        self.name, self.port = "next hop", port
        self.server: ThreadingHTTPServer | None = None
        self.is_refusing = False
        self.refused: Counter[int] = Counter()
        self.records: list[tuple] = []
        self.lock = threading.Lock()

    def start(self) -> None:
        self.is_refusing = False
        if self.server:
            return
        hop, statuses = self, itertools.cycle((503, 429))

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(handler):
                body = handler.rfile.read(int(handler.headers["Content-Length"]))
                if hop.server is None:
                    # Gone: a connection that was kept open ends without an answer.
                    handler.close_connection = True
                    return
                status = next(statuses) if hop.is_refusing else 200
                if status == 200:
                    hop.take(gzip.decompress(body) if handler.headers.get("Content-Encoding") == "gzip" else body)
                else:
                    hop.refused[status] += 1
                answer = ExportLogsServiceResponse().SerializeToString()
                handler.send_response(status)
                if status == 429:
                    handler.send_header("Retry-After", "2")
                handler.send_header("Content-Type", "application/x-protobuf")
                handler.send_header("Content-Length", str(len(answer)))
                handler.end_headers()
                handler.wfile.write(answer)

            def log_message(handler, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self, how: signal.Signals) -> None:
        self.is_refusing = True
        if how == signal.SIGKILL:
            self.close()

    def close(self) -> None:
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def tail(self) -> str:
        return ""

    def take(self, body: bytes) -> None:
        request = ExportLogsServiceRequest.FromString(body)
        found = []
        for group in request.resource_logs:
            resource = {one.key: one.value.string_value for one in group.resource.attributes}
            found += [(resource, record) for scope in group.scope_logs for record in scope.log_records]
        with self.lock:
            self.records += found

    def kept(self) -> list[tuple]:
        with self.lock:
            return list(self.records)

    def lines(self) -> list[bytes]:
        return [attributes(record)["oomwitness.line"].encode() + b"\n" for _, record in self.kept()]


def attributes(record) -> dict[str, object]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in record.attributes}


def nanoseconds(time: str) -> int:
    """Of RFC 3339 in UTC, to the last digit."""
    whole, _, fraction = time.rstrip("Z").partition(".")
    moment = datetime.datetime.fromisoformat(whole).replace(tzinfo=datetime.timezone.utc)
    return int(moment.timestamp()) * 10**9 + int(fraction.ljust(9, "0"))


def severity(event: dict) -> int:
    kind = event["type"]
    if kind == "oom_kill":
        return 2 if event["scope"] == "system" else 3
    if kind == "oom_outcome":
        return 6 if event["exited"] else 4
    if kind == "pressure":
        return {"critical": 2, "medium": 4, "low": 5}.get(event["level"], 6)
    return 4 if kind in ("oom_no_kill", "loss", "guard_action") else 6


def record_faults(resource: dict, record, told: dict[str, dict]) -> list[str]:
    """What of a record is not as its line has it."""
    given = attributes(record)


    line = json.loads(given["oomwitness.line"])
    key = f"{line['stream']}/{line['seq']}"
    event = told.get(key)
    if event is None:
        return [f"OTLP: {key} was never told"]
    subject = event.get("victim") or event.get("process") or event.get("task") or {}
    number, text = SEVERITIES[severity(event)]
    wanted = {
        "oomwitness.type": event["type"], "oomwitness.seq": event["seq"], "oomwitness.scope": event.get("scope"),
        "oomwitness.level": event.get("level"), "oomwitness.decision.id": (event.get("decision") or {}).get("id"),
        "process.pid": subject.get("pid"), "process.owner": subject.get("user"), "oomwitness.comm": subject.get("comm"),
        "process.linux.cgroup": (subject.get("cgroup") or {}).get("path"),
    }  # fmt: skip
    pairs = [(name, given.get(name), value) for name, value in wanted.items() if name != "oomwitness.comm" or "comm_hex" not in subject]
    pairs += [
        ("time", record.time_unix_nano, nanoseconds(event["time"])),
        ("severity", (record.severity_number, record.severity_text), (number, text)),
        ("event name", record.event_name, f"oomwitness.{event['type']}"),
        ("host.name", resource.get("host.name"), event["host"]),
        ("oomwitness.boot_id", resource.get("oomwitness.boot_id"), event["boot_id"]),
        ("service.name", resource.get("service.name"), "oomwitness"),
        ("service.namespace", resource.get("service.namespace"), "bed"),
    ]
    sentence = event.get("explanation") or event.get("detail")
    pairs += [("body", record.body.string_value, sentence)] if sentence else []
    faults = [f"OTLP: {key}: {name} is {is_!r}, not {value!r}" for name, is_, value in pairs if is_ != value]
    return faults if record.body.string_value else [*faults, f"OTLP: {key} has no body"]
