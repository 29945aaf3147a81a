# SPDX-License-Identifier: Apache-2.0
"""The stores that a fleet's lines end in, each with its queries of deploy/fleet: load, ask, and say what it took."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

QUERIES = Path(__file__).resolve().parents[2] / "deploy/fleet"


def statements(name: str) -> dict[str, str]:
    """What stands below each `-- name:` line of a file."""
    parts = re.split(r"^-- name: (.*)$", (QUERIES / name).read_text(), flags=re.MULTILINE)
    return {title.strip(): text.strip() for title, text in zip(parts[1::2], parts[2::2])}


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


class Store:
    """`questions` are all statements but those that make and fill the table."""

    def __init__(self, file: str, work: Path, now: str):
        self.work = work / file.removesuffix(".sql")
        self.work.mkdir()
        self.now = now
        self.statements = statements(file)
        self.questions = [title for title in self.statements if title not in ("create", "load")]

    def text(self, title: str, files: str = "") -> str:
        return self.statements[title].replace("$files", f"'{files}'").replace("$now", f"'{self.now}'")

    def bytes(self) -> int:
        return size(self.work)

    def close(self) -> None:
        pass


class DuckDB(Store):
    name = "DuckDB"

    def __init__(self, work: Path, now: str):
        import duckdb

        super().__init__("duckdb.sql", work, now)
        self.connection = duckdb.connect(str(self.work / "events.db"))
        self.version = duckdb.__version__

    def load(self, path: Path) -> None:
        self.connection.execute(self.text("load", str(path)))
        self.connection.execute("CHECKPOINT")

    def ask(self, title: str) -> list[tuple]:
        return self.connection.execute(self.text(title)).fetchall()


class ClickHouse(Store):
    name = "ClickHouse (chdb)"

    def __init__(self, work: Path, now: str):
        import chdb
        from chdb import session

        super().__init__("clickhouse.sql", work, now)
        self.session = session.Session(str(self.work / "data"))
        self.session.query("CREATE DATABASE fleet; USE fleet")
        self.session.query(self.text("create"))
        self.version = chdb.engine_version if isinstance(chdb.engine_version, str) else chdb.chdb_version[0]

    def load(self, path: Path) -> None:
        self.session.query(self.text("load", str(path)))

    def ask(self, title: str) -> list[tuple]:
        import json

        rows = str(self.session.query(self.text(title), "JSONCompactEachRow")).splitlines()
        return [tuple(int(cell) if re.fullmatch(r"-?\d+", str(cell)) else cell for cell in json.loads(row)) for row in rows]

    def close(self) -> None:
        self.session.close()


class PostgreSQL(Store):
    """A cluster of its own, as the user nobody: the server refuses root."""

    name = "PostgreSQL"

    def __init__(self, work: Path, now: str):
        super().__init__("postgresql.sql", work, now)
        self.programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
        self.version = self.programs.parent.name
        os.chmod(work, 0o711)
        subprocess.run(["chown", "nobody:nogroup", self.work], check=True)
        self.data = self.work / "data"
        self.run("initdb", "-D", str(self.data), "-E", "UTF8", "--locale=C", "-U", "fleet", "--auth=trust")
        options = f"-c listen_addresses='' -c unix_socket_directories={self.work}"
        self.run("pg_ctl", "-D", str(self.data), "-o", options, "-l", str(self.work / "log"), "-w", "start")
        self.sql(self.text("create"))

    def run(self, program: str, *arguments: str) -> None:
        command = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", str(self.programs / program), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")

    def sql(self, text: str) -> str:
        command = ["psql", "-h", str(self.work), "-U", "fleet", "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-qAtF", "\t"]
        ended = subprocess.run(command, input=text, capture_output=True, text=True)
        if ended.returncode:
            raise RuntimeError(ended.stderr.strip())
        return ended.stdout

    def load(self, path: Path) -> None:
        self.sql(self.text("load", str(path)))
        self.sql("VACUUM ANALYZE events")

    def ask(self, title: str) -> list[tuple]:
        rows = [line.split("\t") for line in self.sql(self.text(title)).splitlines()]
        return [tuple(int(cell) if re.fullmatch(r"-?\d+", cell) else cell for cell in row) for row in rows]

    def bytes(self) -> int:
        return int(self.sql("SELECT pg_total_relation_size('events')"))

    def close(self) -> None:
        self.run("pg_ctl", "-D", str(self.data), "-m", "fast", "-w", "stop")


STORES = (DuckDB, ClickHouse, PostgreSQL)


def timed(call, *arguments):
    """What a call gives, and its seconds."""
    began = time.monotonic()
    result = call(*arguments)
    return result, time.monotonic() - began
