# SPDX-License-Identifier: Apache-2.0
"""Whom a cgroup belongs to by its path alone, read in another way than the binary does: for the forms that the scenarios make.

Source: kubelet, pkg/kubelet/cm/cgroup_manager_linux.go and pod_container_manager_linux.go; containerd, pkg/cri/server/helpers.go.
"""

from __future__ import annotations

import re

CONTAINER = re.compile(r"(?:cri-(containerd)-)?([0-9a-f]{64})(?:\.scope)?")
UID = r"[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}"
POD = re.compile(rf"/kubepods(?:\.slice)?/(?:(?:kubepods-)?(burstable|besteffort)(?:\.slice)?/)?(?:kubepods-(?:[a-z]+-)?)?pod({UID})(?:\.slice)?(?=/|$)")
CLASSES = {"burstable": "Burstable", "besteffort": "BestEffort", None: "Guaranteed"}


def owner(path: bytes | None) -> dict:
    """The fields that stand beside the cgroup; none where it is of nobody."""
    text = (path or b"").decode(errors="replace")
    last = text.rpartition("/")[2]
    told: dict[str, object] = {}
    if found := CONTAINER.fullmatch(last):
        told["container"] = ({"runtime": found[1]} if found[1] else {}) | {"id": found[2]}
    if found := POD.match(text):
        told["kubernetes"] = {"pod_uid": found[2].replace("_", "-"), "qos_class": CLASSES[found[1]]}
    if re.search(r"\.(service|scope)$", last):
        told["systemd_unit"] = last
    return told
