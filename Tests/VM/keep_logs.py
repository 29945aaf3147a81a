# SPDX-License-Identifier: Apache-2.0
"""Keeps the kernel's logs of a run of the VMs as the corpus of the log's reader, with the events expected of each beside it.

    python3 Tests/VM/run.py && python3 Tests/VM/keep_logs.py [RUNG]        of this rung's results (default: auto)

A log is kept as the guest's /dev/kmsg gave it, but for KEPT_BYTES of a scenario that is out of memory for minutes: it is cut
after a whole line. Its head says the kernel and the command. The events are those of log_events.py: never the binary's.
"""

from __future__ import annotations

import sys
from pathlib import Path

from compare import read_facts
from log_events import write_expected

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / ".build/vm/results"
CORPUS = ROOT / "Tests/KernelLogTests/Corpus"
KEPT_BYTES = 96 * 1024

HEAD = """\
# SPDX-License-Identifier: Apache-2.0
# Linux {release} (Debian cloud), x86_64 under qemu TCG, 2 CPUs, 4 KiB pages; read(2) from /dev/kmsg.
# python3 Tests/VM/run.py --kernels {series} --cgroups {cgroup} --scenarios {scenario}
"""


def main() -> int:
    rung = sys.argv[1] if len(sys.argv) > 1 else "auto"
    CORPUS.mkdir(exist_ok=True)
    kept = 0
    for log in sorted(RESULTS.glob(f"*/v*/{rung}/*/kmsg.raw")):
        series, cgroup, _, scenario = log.parts[-5:-1]
        facts = read_facts(log.parent / "facts")
        raw = log.read_bytes()
        if len(raw) > KEPT_BYTES:
            raw = raw[: raw.rindex(b"\n", 0, KEPT_BYTES) + 1]
        head = HEAD.format(release=facts["release"], series=series, cgroup=cgroup[1:], scenario=scenario)
        target = CORPUS / f"{series}-{cgroup}-{scenario}.kmsg"
        target.write_bytes(head.encode() + raw)
        write_expected(target)
        kept += 1
    print(f"{kept} logs kept in {CORPUS}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
