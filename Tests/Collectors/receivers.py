# SPDX-License-Identifier: Apache-2.0
"""What stands at the far end of each sink: real programs with the files of deploy/fleet, and what has arrived there.

A receiver says which sinks the daemon gets for it, which of its parts a sink speaks to (`first`) and which stand behind those
(`second`), what has arrived by each way as lines, and what it finds wrong with all that was told beside the lines.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from nexthop import NextHop, record_faults, severity
from parts import FLEET, ROOT, UNPACKED, Part, answers, controls_as_spaces, libraries, lines_by_number, lines_of
from victorialogs import VictoriaLogs


def configured(name: str, work: Path) -> Path:
    """A file of deploy/fleet in the work folder."""
    path = work / name
    path.write_text((FLEET / name).read_text().replace("@W@", str(work)))
    return path


def program(folder: str, name: str) -> Path:
    installed = Path(name)
    return installed if installed.exists() else UNPACKED / folder / name.lstrip("/")


class SyslogNG:
    """Four sinks, and the daemon's own file, which it follows."""

    def __init__(self, work: Path):
        self.work, self.out = work, work / "syslog-ng"
        base = UNPACKED / "syslog-ng"
        self.binary, self.environment = base / "usr/sbin/syslog-ng", libraries(base)
        command = [self.binary, "-F", "--no-caps", "--module-path", base / "usr/lib/syslog-ng/3.38", "-f", configured("syslog-ng.conf", work)]
        command += ["-R", work / "syslog-ng.persist", "-p", work / "syslog-ng.pid", "-c", work / "syslog-ng.ctl"]
        self.first = [Part("syslog-ng", work, command, lambda: answers(15515) and answers(15516), env=self.environment)]
        self.second = []
        self.sinks = [
            {"name": "sng-tcp", "type": "stream", "address": "tcp:127.0.0.1:15515"},
            {"name": "sng-unix", "type": "stream", "address": f"unix:{work}/stream.sock"},
            {"name": "sng-syslog", "type": "syslog", "address": "tcp:127.0.0.1:15516", "body": "json"},
            {"name": "sng-log", "type": "syslog", "address": f"unix:{work}/log"},
        ]

    def version(self) -> str:
        done = subprocess.run([self.binary, "--version"], env=self.environment, capture_output=True, text=True)
        return re.search(r"\((\S+)\)", done.stdout)[1]

    def arrived(self) -> dict[str, list[bytes]]:
        ways = {"tcp": "stream over TCP", "unix": "stream over a Unix socket", "syslog": "syslog over TCP, json", "follow": "file, followed"}
        found = {f"syslog-ng: {way}": lines_of(self.out / f"{source}.ndjson") for source, way in ways.items()}
        return found | {"syslog-ng: syslog over /dev/log, text": list(self.sentences())}

    def sentences(self) -> Iterator[bytes]:
        """The line that each sentence is of, where all of it is as the line has it; else what came."""
        told = lines_by_number(self.work)
        for came in lines_of(self.out / "sentences.ndjson"):
            row = json.loads(came)
            line, event = told.get((row.get("boot_id"), row.get("seq")), (came, {}))
            sentence = event.get("explanation") or event.get("detail") or row.get("text")
            wanted = {
                "msgid": event.get("type"), "host": event.get("host"), "level": str(severity(event)) if event else None,
                "text": controls_as_spaces(sentence),
            }  # fmt: skip
            yield line if all(row.get(name) == value for name, value in wanted.items()) else came

    def faults(self, told: dict[str, dict]) -> list[str]:
        """The kills by fields, as json-parser and the syslog parser found them."""
        found: dict[str, set[str]] = {"tcp": set(), "unix": set(), "syslog": set(), "follow": set()}
        faults = []
        for line in lines_of(self.out / "kills.ndjson"):
            row = json.loads(line)
            key = f"{row['stream']}/{row['seq']}"
            found[row["way"]].add(key)
            victim, cgroup = told[key]["victim"], at(told[key], "victim.cgroup.path") or ""
            wanted = {
                "host": told[key]["host"], "pid": str(victim["pid"]), "comm": victim["comm"], "cgroup": cgroup,
                "text": told[key]["explanation"],
            }
            if row["way"] == "syslog":
                wanted |= {"msgid": "oom_kill", "level": "3", "sd_seq": str(told[key]["seq"]), "sd_pid": str(victim["pid"])}
                wanted |= {"sd_comm": controls_as_spaces(victim["comm"]), "sd_cgroup": cgroup}
            faults += [f"syslog-ng by {row['way']}: {key}: {name} is {row.get(name)!r}, not {value!r}"
                       for name, value in wanted.items() if row.get(name) != value]  # fmt: skip
        kills = {key for key, event in told.items() if event["type"] == "oom_kill"}
        faults += [f"syslog-ng by {way}: fields of {len(kills - keys)} kills are missing" for way, keys in found.items() if kills - keys]
        return faults

    def note(self) -> str:
        return "json-parser and structured data gave each kill's fields"


class Journal:
    """journald of a namespace of its own, systemd-journal-upload, systemd-journal-remote."""

    DAEMON = "/lib/systemd/systemd-journald"
    KILL = "65fa2b0f73734e2487776d71cdb638ef"
    FIELDS = {  # field of the entry: where the line has it
        "OOMWITNESS_TYPE": "type", "OOMWITNESS_SEQ": "seq", "OOMWITNESS_BOOT_ID": "boot_id", "OOMWITNESS_HOST": "host",
        "OOMWITNESS_SCOPE": "scope", "OOMWITNESS_DECISION_ID": "decision.id", "OOMWITNESS_VICTIM_PID": "victim.pid",
        "OOMWITNESS_VICTIM_USER": "victim.user", "OOMWITNESS_VICTIM_CGROUP": "victim.cgroup.path", "MESSAGE": "explanation",
        "OOMWITNESS_TIME": "time",
    }  # fmt: skip

    def __init__(self, work: Path):
        self.namespace = f"oomwitness-{os.getpid()}"
        self.sockets = Path(f"/run/systemd/journal.{self.namespace}")
        self.remote_files = work / "remote"
        self.remote_files.mkdir()
        self.clear()
        identity = Path("/etc/machine-id").read_text().strip()
        kept = [Path(top) / f"{identity}.{self.namespace}" for top in ("/var/log/journal", "/run/log/journal")]
        self.folder = kept[0] if kept[0].parent.is_dir() else kept[1]
        journald = Part("journald", work, [self.DAEMON, self.namespace], (self.sockets / "socket").exists)
        base = UNPACKED / "systemd"
        drop_in = (FLEET / "journal-upload.service.conf").read_text()
        pause = float(re.search(r"^RestartSec=(\S+)", drop_in, re.MULTILINE)[1])
        self.remote_binary = program("systemd", "/lib/systemd/systemd-journal-remote")
        remote = [self.remote_binary, "--listen-http=19532", f"--output={self.remote_files}"]
        upload = [program("systemd", "/lib/systemd/systemd-journal-upload"), f"--directory={self.folder}", "--follow"]
        upload += [f"--save-state={work}/upload.state"]
        self.upload = Part(
            "upload", work, self.with_file("journal-upload.conf", upload), self.folder.is_dir, pause, env=libraries(base))
        # upload ends by itself while remote is away, and is started again.
        self.first = [journald, self.upload]
        self.second = [
            Part("remote", work, self.with_file("journal-remote.conf", remote), lambda: answers(19532), env=libraries(base))]
        self.sinks = [{"name": "journal", "type": "journald", "socket": str(self.sockets / "socket")}]

    @staticmethod
    def with_file(name: str, command: list) -> list:
        """Both read their files from /etc/systemd alone: in a mount namespace it is a folder of memory with this one in it."""
        script = 'mount -t tmpfs tmpfs /etc/systemd && cp "$1" "/etc/systemd/$2" && shift 2 && exec "$@"'
        return ["unshare", "--mount", "/bin/sh", "-c", script, "-", str(FLEET / name), name, *map(str, command)]

    def version(self) -> str:
        done = subprocess.run(
            [self.remote_binary, "--version"], env=libraries(UNPACKED / "systemd"), capture_output=True, text=True)
        return re.search(r"\((\S+)\)", done.stdout)[1]

    def entries(self, *matches: str) -> list[dict]:
        command = ["journalctl", f"--directory={self.remote_files}", "--output=json", "--all", "--no-pager", *matches]
        return [json.loads(line) for line in subprocess.run(command, capture_output=True).stdout.splitlines()]

    def arrived(self) -> dict[str, list[bytes]]:
        entries = self.entries("SYSLOG_IDENTIFIER=oomwitness")
        return {"systemd-journal-remote: journald": [entry["OOMWITNESS_EVENT"].encode() + b"\n" for entry in entries]}

    def faults(self, told: dict[str, dict]) -> list[str]:
        faults, found = [], set()
        for entry in self.entries(f"MESSAGE_ID={self.KILL}"):
            event = json.loads(entry["OOMWITNESS_EVENT"])
            found.add(f"{event['stream']}/{event['seq']}")
            wanted = {field: str(value) for field, path in self.FIELDS.items() if (value := at(event, path)) is not None}
            wanted |= {"PRIORITY": "3", "OOMWITNESS_VICTIM_COMM": event["victim"]["comm"]}
            if "comm_hex" in event["victim"]:
                wanted["OOMWITNESS_VICTIM_COMM"] = list(bytes.fromhex(event["victim"]["comm_hex"]))
            faults += [f"journal: seq {event['seq']}: {name} is {entry.get(name)!r}, not {value!r}"
                       for name, value in wanted.items() if entry.get(name) != value]  # fmt: skip
        missing = {key for key, event in told.items() if event["type"] == "oom_kill"} - found
        if missing:
            faults.append(f"journal: MESSAGE_ID finds {len(missing)} kills less")
        return faults

    def note(self) -> str:
        return f"MESSAGE_ID= finds each kill, its fields are the line's; systemd-journal-upload ended by itself {self.upload.failures} times"

    def clear(self) -> None:
        shutil.rmtree(self.sockets, ignore_errors=True)
        for top in ("/var/log/journal", "/run/log/journal"):
            for folder in Path(top).glob(f"*.{self.namespace}"):
                shutil.rmtree(folder)


def at(event: dict, path: str) -> object:
    value: object = event
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


class JetStream:
    """rsyslog with its queue on disk, nats-publish.py, NATS."""

    URL = "nats://127.0.0.1:4222"

    def __init__(self, work: Path):
        self.work = work
        (work / "rsyslog").mkdir()
        configured("nats-publish.py", work)
        # A program finds modules beside itself.
        (work / "nats").symlink_to(importlib.util.find_spec("nats").submodule_search_locations[0])
        base = ROOT / ".build/rsyslog"
        command: list = ["/usr/sbin/rsyslogd"]
        if not Path(command[0]).exists():
            command = [base / "usr/sbin/rsyslogd", "-M", base / "usr/lib" / (os.uname().machine + "-linux-gnu") / "rsyslog"]
        self.rsyslog = command[0]
        self.environment = libraries(base)
        command += ["-n", "-f", configured("rsyslog-nats.conf", work), "-i", work / "rsyslog.pid"]
        self.first = [Part("rsyslog", work, command, lambda: answers(15517), env=self.environment)]
        self.server = program("nats", "/usr/sbin/nats-server")
        self.second = [Part("nats", work, [self.server, "-c", configured("nats.conf", work)], self.is_ready)]
        self.sinks = [{"name": "nats", "type": "stream", "address": "tcp:127.0.0.1:15517"}]
        self.messages: list = []

    def is_ready(self) -> bool:
        """Once its stream is there, which is made as `nats stream add --config` makes it."""
        try:
            asyncio.run(self.make_stream())
        except Exception:
            return False
        return True

    async def connect(self):
        import nats

        async def quiet(_):
            pass

        return await nats.connect(self.URL, allow_reconnect=False, connect_timeout=2, error_cb=quiet)

    async def make_stream(self) -> None:
        client = await self.connect()
        try:
            settings = (FLEET / "nats-stream.json").read_bytes()
            for request, data in (("INFO", b""), ("CREATE", settings)):
                answer = json.loads((await client.request(f"$JS.API.STREAM.{request}.oomwitness", data, timeout=2)).data)
                if "error" not in answer:
                    return
            raise RuntimeError(answer["error"])
        finally:
            await client.close()

    def version(self) -> str:
        nats = subprocess.run([self.server, "--version"], capture_output=True, text=True).stdout.split()[-1]
        rsyslog = subprocess.run([self.rsyslog, "-v"], env=self.environment, capture_output=True, text=True).stdout.split()[1]
        return f"{nats.lstrip('v')}, rsyslog {rsyslog}"

    async def fetch(self) -> None:
        """What has been stored since it was asked before."""
        client = await self.connect()
        try:
            manager = client.jsm()
            last = (await manager.stream_info("oomwitness")).state.last_seq
            while len(self.messages) < last:
                self.messages.append(await manager.get_msg("oomwitness", len(self.messages) + 1))
        finally:
            await client.close()

    def arrived(self) -> dict[str, list[bytes]]:
        asyncio.run(self.fetch())
        return {"NATS JetStream: stream": [message.data + b"\n" for message in self.messages]}

    def faults(self, told: dict[str, dict]) -> list[str]:
        faults = []
        for message in self.messages:
            event = json.loads(message.data)
            wanted = f"oomwitness.{event['type']}.{re.sub('[^A-Za-z0-9]', '_', event['host'])}"
            if message.subject != wanted or message.headers.get("Nats-Msg-Id") != f"{event['stream']}/{event['seq']}":
                faults.append(f"NATS: {message.subject} {message.headers}, not {wanted}")
        if len(self.messages) != len(told):
            faults.append(f"JetStream keeps {len(self.messages)} messages of {len(told)} lines")
        if not asyncio.run(self.is_double(self.messages[0])):
            faults.append("JetStream took a line that it had")
        return faults

    async def is_double(self, message) -> bool:
        client = await self.connect()
        try:
            return (await client.jetstream().publish(message.subject, message.data, headers=message.headers)).duplicate
        finally:
            await client.close()

    def note(self) -> str:
        return "JetStream keeps each line once, and drops the first one when it comes again at the end"


class Collector:
    """The OpenTelemetry Collector, and behind it a receiver that decodes by the official definitions."""

    def __init__(self, work: Path):
        from build import COLLECTOR, get_program

        folder = get_program(COLLECTOR)
        self.number = (folder / "version").read_text().strip()
        command = [folder / "otelcol", "--config", FLEET / "otelcol.yaml"]
        self.first = [Part("otelcol", work, command, lambda: answers(4318))]
        self.hop = NextHop(14318)
        self.second = [self.hop]
        self.sinks = [{"name": "otel", "type": "otlp", "url": "http://127.0.0.1:4318/v1/logs", "labels": {"service.namespace": "bed"}}]

    def version(self) -> str:
        return self.number

    def arrived(self) -> dict[str, list[bytes]]:
        return {"OpenTelemetry Collector: otlp": self.hop.lines()}

    def faults(self, told: dict[str, dict]) -> list[str]:
        return [fault for resource, record in self.hop.kept() for fault in record_faults(resource, record, told)]

    def note(self) -> str:
        refused = ", ".join(f"{count} times {status}" for status, count in sorted(self.hop.refused.items()))
        return f"each record's attributes, severity, time and body are the line's; behind it there was {refused}"


RECEIVERS = {
    "syslog-ng": SyslogNG, "systemd-journal-remote": Journal, "NATS JetStream": JetStream, "OpenTelemetry Collector": Collector,
    "VictoriaLogs": VictoriaLogs,
}  # fmt: skip
