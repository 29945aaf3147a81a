# SPDX-License-Identifier: Apache-2.0
"""The guest with a real systemd, in which the guard and systemd-oomd are units: the one of Tests/VM/systemd, and what is needed more."""

from __future__ import annotations

from pathlib import Path

from guest_image import BUSYBOX, GUEST, REGULAR, Archive, compiled
from programs import unpacked
from systemd_system import get_system

HERE = Path(__file__).resolve().parent
SERIES = "6.1"  # Debian's own for the systemd of bookworm
MEMORY_MIB = 1024
GUARDS = ("oomwitness", "systemd-oomd", "none")
# No device makes a login line appear, and systemd would wait for it for 90 seconds.
APPEND = " rdinit=/init psi=1 no_timer_check systemd.show_status=0 systemd.mask=getty.target systemd.unified_cgroup_hierarchy=1"
SYMLINK = 0o120777
UNIT = """[Unit]
After=multi-user.target
[Service]
Type=oneshot
OOMPolicy=continue
ExecStart=/bin/bash /job/guest.sh
ExecStopPost=/bin/systemctl --force --force poweroff
"""


def build_image(kernel, binary: Path, build: Path, settings: bytes, path: Path) -> Path:
    more = Archive()
    more.add("/usr/bin/oomwitness", (build / "oomwitness").read_bytes())
    for name, source in (("load", HERE / "load.c"), ("hog", GUEST / "hog.c")):
        more.add(f"/usr/bin/{name}", compiled(source, build / name).read_bytes())
    more.add("/usr/bin/busybox", BUSYBOX.read_bytes())  # for insmod, which the guest has not
    for module in kernel.modules:
        more.add(f"/modules/{module.name}", module.read_bytes())
    add_oomd(more)
    more.add("/job/guest.sh", (HERE / "systemd.sh").read_bytes())
    more.add("/job/rows.sh", (HERE / "rows.sh").read_bytes())
    more.add("/job/settings", settings, REGULAR)
    more.add("/etc/systemd/system/job.service", UNIT.encode(), 0o100644)
    more.add("/etc/systemd/system/multi-user.target.wants/job.service", b"../job.service", SYMLINK)
    path.write_bytes(get_system().read_bytes() + more.finish())
    return path


def add_oomd(archive: Archive) -> None:
    """Debian's package but for its documentation, at the places where the guest has its links: /lib is /usr/lib there."""
    program = unpacked("systemd-oomd", "lib/systemd/systemd-oomd")
    root = program.parents[2]
    for file in sorted(path for path in root.rglob("*") if path.is_file() and "/usr/share/" not in str(path)):
        place = "/" + str(file.relative_to(root)).replace("usr/lib/", "lib/", 1)
        mode = REGULAR if file.stat().st_mode & 0o100 else 0o100644
        archive.add("/usr" + place if place.startswith(("/lib/", "/bin/")) else place, file.read_bytes(), mode)
    bus = root / "usr/share/dbus-1"
    for file in sorted(path for path in bus.rglob("*") if path.is_file()):
        archive.add("/" + str(file.relative_to(root)), file.read_bytes(), 0o100644)
