# SPDX-License-Identifier: Apache-2.0
"""OOM kills in pods of a real Kubernetes: what it says of them, and what oomwitness does.

    make testbed-kubernetes

One node (testbed.py) runs pods that lose a process, in both shapes that limits give to a pod and from a file on the node, while
`oomwitness trace` watches. Then the advice of `oomwitness limits` is applied to a Deployment, and the manifests of deploy/kubernetes
to the apiserver, and the DaemonSet tells a kill from within. Prints a table; exit status 1 where one check failed, 2 where it cannot run here.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE))

from build import get_kubernetes
from kernels import KernelError
from testbed import ACCOUNT, API, BOX, NODE, PAUSE, Testbed, TestbedError

ROOT = HERE.parents[1]
HOG = "/bin/dd if=/dev/zero of=/dev/null bs=200M count=1"
CHILD = ["/bin/sh", "-c", f"sleep 1; {HOG}; sleep 3600"]
BURSTABLE = {"requests": {"memory": "10Mi"}, "limits": {"memory": "50Mi"}}
GUARANTEED = {kind: {"memory": "50Mi", "cpu": "100m"} for kind in ("requests", "limits")}
CHILDREN = {"burstable": "Burstable", "guaranteed": "Guaranteed", f"static-{NODE}": "Burstable"}  # pods that lose a child, and their class
KILL_SECONDS = 60


class Table:
    """Rows as they come; what failed is said with what was seen."""

    def __init__(self):
        self.failed = 0

    def row(self, is_so: bool, claim: str, seen: object = "") -> None:
        self.failed += not is_so
        print(f"{'passed' if is_so else 'FAILED'}  {claim}" + (f"\n        saw: {seen}" if not is_so and seen != "" else ""), flush=True)


class Tracer:
    """`oomwitness trace` on the node."""

    def __init__(self, binary: Path, folder: Path):
        self.path = folder / "trace.ndjson"
        self.process = subprocess.Popen([binary, "trace", "--output", "ndjson"], stdout=open(self.path, "w"), stderr=open(folder / "trace.err", "w"))

    def events(self, kind: str = "oom_kill") -> list[dict]:
        lines = self.path.read_text().splitlines(keepends=True)
        return [event for line in lines if line.endswith("\n") and (event := json.loads(line))["type"] == kind]

    def kill(self, pod: str, seconds: float = KILL_SECONDS) -> dict:
        """The kill in a pod of this name; empty where none was told."""
        return first(lambda: [event for event in self.events() if event["victim"].get("kubernetes", {}).get("pod") == pod], seconds) or {}

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def first(find, seconds: float):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := find():
            return found[0]
        time.sleep(0.3)
    return None


def pod(name: str, command: list[str], resources: dict, **spec) -> dict:
    container = {"name": "app", "image": BOX, "imagePullPolicy": "Never", "command": command, "resources": resources}
    spec = {
        "automountServiceAccountToken": False, "tolerations": [{"operator": "Exists"}],
        "terminationGracePeriodSeconds": 0, "restartPolicy": "Never", "containers": [container], **spec,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop", "labels": {"app": name}}, "spec": spec}


def main() -> int:
    parser = argparse.ArgumentParser(description="OOM kills in pods of a real Kubernetes.")
    parser.add_argument("--binary", type=Path, default=ROOT / ".build/release/oomwitness")
    arguments = parser.parse_args()
    if os.geteuid() != 0 or not arguments.binary.exists():
        print(f"run.py: needs root, and {arguments.binary} (make builds it)", file=sys.stderr)
        return 2
    try:
        bed = Testbed(get_kubernetes())
    except (KernelError, TestbedError, subprocess.CalledProcessError, FileNotFoundError) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended and put back all the same
    table, tracer = Table(), Tracer(arguments.binary, bed.work)
    try:
        bed.start(images(arguments.binary))
        bed.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        check_children(bed, tracer, table)
        check_first_process(bed, tracer, table)
        check_log(arguments.binary, tracer, table)
        check_limits(bed, arguments.binary, table)
        check_manifests(bed, tracer, table)
        check_pod_events(bed, arguments.binary, table)
    except TestbedError as error:
        table.row(False, "the testbed holds", error)
    finally:
        tracer.stop()
        bed.stop()
    print(f"{table.failed} failed")
    return 1 if table.failed else 0


def images(binary: Path) -> dict[str, dict]:
    busybox = {"bin/busybox": Path("/bin/busybox").read_bytes(), **{f"bin/{name}": "busybox" for name in ("sh", "dd", "sleep")}}
    with tempfile.TemporaryDirectory() as folder:
        stripped = Path(folder) / "oomwitness"
        subprocess.run(["strip", "-o", stripped, binary], check=True)
        program = {"oomwitness": stripped.read_bytes()}
    return {
        BOX: {"files": busybox, "entrypoint": ["/bin/sh"]},
        PAUSE: {"files": busybox, "entrypoint": ["/bin/sleep", "1000000"]},
        "docker.io/library/oomwitness:0.1": {"files": program, "entrypoint": ["/oomwitness"]},
    }


# MARK: Checks


def check_children(bed: Testbed, tracer: Tracer, table: Table) -> None:
    """The gap: the container's first process lives on, and Kubernetes says nothing at all."""
    bed.apply(pod("burstable", CHILD, BURSTABLE), pod("guaranteed", CHILD, GUARANTEED))
    static = pod("static", CHILD, BURSTABLE)
    new = bed.work / "static.json"
    new.write_text(json.dumps(static))
    new.rename(bed.work / "manifests/static.json")
    for name, qos in CHILDREN.items():
        kill = tracer.kill(name)
        table.row(bool(kill), f"{name}: a kill is told, with the pod's name", [event["explanation"] for event in tracer.events()][-3:])
        if not kill:
            continue
        told = bed.json("get", "pod", name, "-n", "shop")
        status = told["status"]["containerStatuses"][0]
        silent = (told["status"]["phase"], status["restartCount"], status["lastState"], "running" in status["state"])
        table.row(silent == ("Running", 0, {}, True), f"{name}: Kubernetes has it Running, not restarted, without a last state", silent)
        events = bed.json("get", "events", "-n", "shop", "--field-selector", f"involvedObject.kind=Pod,involvedObject.name={name}")["items"]
        reasons = {event["reason"] for event in events}
        table.row(bool(reasons) and not [r for r in reasons if "oom" in r.lower()], f"{name}: no event of the pod tells of it", sorted(reasons))
        check_names(kill, told, qos, name.startswith("static"), table)


def check_names(kill: dict, told: dict, qos: str, is_static: bool, table: Table) -> None:
    """Ours beside the apiserver's."""
    name, victim = told["metadata"]["name"], kill["victim"]
    ours, container = victim.get("kubernetes", {}), victim.get("container", {})
    # Of a static pod the apiserver has a mirror; the node's own uid is in an annotation of that.
    uid = told["metadata"]["annotations"]["kubernetes.io/config.hash"] if is_static else told["metadata"]["uid"]
    expected = {"namespace": "shop", "pod": name, "container": "app", "pod_uid": uid, "qos_class": qos}
    table.row(victim["comm"] == "dd", f"{name}: ours names the process", victim["comm"])
    table.row({key: ours.get(key) for key in expected} == expected, f"{name}: ours names namespace, pod, container, uid and class", ours)
    table.row(bool(ours.get("is_static")) == is_static, f"{name}: and whether it is a static pod", ours.get("is_static"))
    table.row(told["status"]["qosClass"] == qos, f"{name}: Kubernetes has the same class", told["status"]["qosClass"])
    runtime_id = told["status"]["containerStatuses"][0]["containerID"]
    table.row(f"{container.get('runtime')}://{container.get('id')}" == runtime_id, f"{name}: the container's id is Kubernetes'", (container, runtime_id))
    table.row(container.get("image") in (BOX, BOX.removeprefix("docker.io/library/")), f"{name}: and its image", container.get("image"))
    table.row(f"shop/{name}" in kill["explanation"], f"{name}: the explanation has the pod", kill["explanation"])
    limit = kill["limit"].get("kubernetes", {})
    table.row(limit.get("pod_uid") == uid, f"{name}: the limit is this pod's", kill["limit"])


def check_first_process(bed: Testbed, tracer: Tracer, table: Table) -> None:
    bed.apply(pod("first", ["/bin/sh", "-c", f"sleep 1; exec {HOG}"], BURSTABLE))
    kill = tracer.kill("first")
    table.row(bool(kill), "first: a kill of the first process is told")
    ended = first(lambda: [s for s in bed.json("get", "pod", "first", "-n", "shop")["status"].get("containerStatuses", []) if "terminated" in s["state"]], 30)
    reason = ended and ended["state"]["terminated"]["reason"]
    table.row(reason == "OOMKilled", "first: Kubernetes says OOMKilled", reason)
    if kill and ended:
        table.row("containerd://" + kill["victim"].get("container", {}).get("id", "") == ended["containerID"], "first: ours is the same container")


def check_log(binary: Path, tracer: Tracer, table: Table) -> None:
    """What the kernel's log has of the same kills, read afterwards."""
    done = subprocess.run([binary, "analyze", "--output", "ndjson"], capture_output=True, text=True)
    logged = {event["victim"]["pid"]: event for line in done.stdout.splitlines() if (event := json.loads(line))["type"] == "oom_kill"}
    for event in tracer.events():
        ours = event["victim"].get("kubernetes")
        # Of a pod whose container has ended the kubelet may have removed all that names it.
        if not ours or ours.get("pod") not in CHILDREN:
            continue
        found = logged.get(event["victim"]["pid"], {}).get("victim", {}).get("kubernetes", {})
        same = all(found.get(key) == ours.get(key) for key in ("namespace", "pod", "container", "pod_uid"))
        table.row(same, f"{ours.get('pod')}: the log's reader names the same", found)


def check_limits(bed: Testbed, binary: Path, table: Table) -> None:
    """Advice from the apiserver's own words, applied to the workload, is what the new pod's cgroup has."""
    grows = pod("cart", ["/bin/sh", "-c", "exec /bin/dd if=/dev/zero of=/dev/null bs=60M count=1000000"], BURSTABLE)
    template = {"metadata": {"labels": {"app": "cart"}}, "spec": {**grows["spec"], "restartPolicy": "Always"}}
    deployment = {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "cart", "namespace": "shop"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "cart"}}, "template": template},
    }
    bed.apply(deployment)
    killed = first(lambda: [p for p in carts(bed) for s in p["status"].get("containerStatuses", []) if s["restartCount"] and s["lastState"]], 90)
    table.row(bool(killed), "cart: the Deployment's pod was OOMKilled and started again")
    pods, folder = bed.kubectl("get", "pods", "-A", "-o", "json").stdout, bed.work / "patches"
    command = [binary, "limits", "--kubernetes", "-", "--write", "kubernetes"]
    shown = subprocess.run(command, input=pods, capture_output=True, text=True)
    table.row(shown.returncode == 0 and "cart" in shown.stdout, "limits --kubernetes - --write kubernetes shows a patch for cart", shown)
    done = subprocess.run([*command, "--to", folder], input=pods, capture_output=True, text=True)
    written = [path for path in ([folder] if folder.is_file() else sorted(folder.glob("*"))) if "kubectl patch deployment cart" in path.read_text()]
    table.row(done.returncode == 0 and len(written) == 1, "limits --to writes it, with the command that applies it", (done.stderr, written))
    if len(written) != 1:
        return
    # The command is for kubectl since 1.21, which takes a file.
    applied = bed.kubectl("patch", "deployment", "cart", "--namespace", "shop", "--type", "strategic", "--patch", written[0].read_text())
    table.row(applied.returncode == 0, "limits: kubectl applies it", applied.stderr)
    wanted = bed.json("get", "deployment", "cart", "-n", "shop")["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"]
    table.row(mebibytes(wanted) > 50, "limits: the limit is above the one that it was killed at", wanted)
    fresh = first(lambda: [p for p in carts(bed) if p["spec"]["containers"][0]["resources"]["limits"]["memory"] == wanted and limit_of(p)], 60)
    table.row(bool(fresh) and limit_of(fresh) == int(mebibytes(wanted) * 2**20), "limits: it is what the new pod's cgroup has", fresh and limit_of(fresh))
    lives = fresh and first(lambda: [p for p in carts(bed) if p["metadata"]["uid"] == fresh["metadata"]["uid"] and is_running(p)], 30)
    table.row(bool(lives), "limits: and the pod that was killed at 50 MiB runs with it", fresh and fresh["status"])


def is_running(item: dict) -> bool:
    return any("running" in status["state"] and not status["restartCount"] for status in item["status"].get("containerStatuses", []))


def carts(bed: Testbed) -> list[dict]:
    return bed.json("get", "pods", "-n", "shop", "-l", "app=cart")["items"]


def mebibytes(quantity: str) -> float:
    units = {"Ki": 1 / 1024, "Mi": 1, "Gi": 1024}
    return float(quantity[:-2]) * units[quantity[-2:]] if quantity[-2:] in units else float(quantity) / 2**20


def limit_of(item: dict) -> int | None:
    group = Path("/sys/fs/cgroup/memory/kubepods/burstable") / f"pod{item['metadata']['uid']}"
    try:
        return int((group / "memory.limit_in_bytes").read_text())
    except (FileNotFoundError, ValueError):
        return None


def check_manifests(bed: Testbed, tracer: Tracer, table: Table) -> None:
    """Each by the apiserver's own judgement, and the DaemonSet for real."""
    folder = ROOT / "deploy/kubernetes"
    bed.must(bed.kubectl("apply", "-f", str(folder / "daemonset.yaml")))  # the namespace is what the others need
    for path in sorted(folder.glob("*.yaml")):
        done = bed.kubectl("apply", "--dry-run=server", "--validate=true", "-f", str(path))
        table.row(done.returncode == 0, f"{path.name}: the apiserver takes it", done.stderr)
    bed.must(bed.kubectl("apply", "-f", str(folder / "pod-events-rbac.yaml")))
    may = [bed.kubectl("auth", "can-i", verb, what, "-n", "shop", f"--as={ACCOUNT}").stdout.strip()
           for verb, what in (("create", "events"), ("patch", "events"), ("list", "events"), ("get", "pods"), ("get", "secrets"))]
    table.row(may == ["yes", "no", "no", "no", "no"], "pod-events-rbac.yaml: it may create events, and nothing else", may)

    def log() -> str:
        """Where a collector of logs reads it: `TIME stdout F TEXT`, P where the line goes on. Source: Kubernetes' CRI logging."""
        files = Path("/var/log/pods").glob("oomwitness_*/oomwitness/*.log")
        rows = [row.split(" ", 3) for path in sorted(files) for row in path.read_text().splitlines()]
        return "".join(text + ("" if mark == "P" else "\n") for _, stream, mark, text in rows if stream == "stdout")

    started = first(lambda: [line for line in log().splitlines() if "stream_start" in line], 60)
    said = started or (bed.kubectl("describe", "pods", "-n", "oomwitness").stdout[-1500:], log())
    table.row(bool(started), "daemonset.yaml: it starts on the node, with its rights and no more", said)
    if not started:
        return
    table.row(json.loads(started).get("host") == NODE, "daemonset.yaml: it calls the host as Kubernetes does", json.loads(started).get("host"))
    bed.apply(pod("witnessed", CHILD, BURSTABLE))
    line = first(lambda: [line for line in log().splitlines() if '"oom_kill"' in line and '"pod":"witnessed"' in line], KILL_SECONDS)
    table.row(bool(line), "daemonset.yaml: it tells the kill in a pod by name", log()[-1200:])
    if line:
        inside, outside = json.loads(line)["victim"], tracer.kill("witnessed").get("victim", {})
        same = all(inside.get(key) == outside.get(key) for key in ("pid", "comm", "cgroup", "container", "kubernetes", "cmdline"))
        table.row(same, "daemonset.yaml: the same as the one outside", (inside, outside))


def check_pod_events(bed: Testbed, binary: Path, table: Table) -> None:
    """The daemon's sink, with the rights of its service account and no more: each kill is one event of its pod."""
    work = bed.work
    (work / "daemon.yaml").write_text(f"""
state_directory: {work}/state
history: false
pressure: false
sinks:
  - type: kubernetes
    url: https://{API}
    bearer_token_file: {work}/account.token
    ca_file: {work}/certificates/apiserver.crt
  - {{type: file, path: {work}/daemon.ndjson}}
""")
    with open(work / "daemon.err", "w") as errors:
        daemon = subprocess.Popen([binary, "daemon", "--config", work / "daemon.yaml"], stderr=errors)
    try:
        bed.apply(pod("noted", CHILD, BURSTABLE))

        def ours(name: str) -> list[dict]:
            fields = f"involvedObject.kind=Pod,involvedObject.name={name},reason=ProcessOOMKilled"
            return bed.json("get", "events", "-n", "shop", "--field-selector", fields)["items"]

        event = first(lambda: ours("noted"), KILL_SECONDS)
        said = (work / "daemon.err").read_text()[-600:]
        table.row(bool(event), "sink of type kubernetes: the pod has an event of its kill", said)
        if not event:
            return
        uid = bed.json("get", "pod", "noted", "-n", "shop")["metadata"]["uid"]
        lines = [json.loads(line) for line in (work / "daemon.ndjson").read_text().splitlines()]
        kill = next(line for line in lines if line["type"] == "oom_kill" and line["victim"].get("kubernetes", {}).get("pod") == "noted")
        seen = (event["type"], event["source"]["component"], event["involvedObject"]["uid"], event["involvedObject"].get("fieldPath"), event["message"])
        table.row(seen == ("Warning", "oomwitness", uid, "spec.containers{app}", kill["explanation"][:1024]), "it is of the pod's container, with our sentence", seen)
        described = bed.kubectl("describe", "pod", "noted", "-n", "shop").stdout
        table.row("ProcessOOMKilled" in described, "kubectl describe pod shows it", described[-600:])
        # Those of before come from the kernel's log: of a pod that is still there each has its event too, and one alone.
        again = first(lambda: ours("burstable"), 30)
        table.row(bool(again) and len(ours("burstable")) == 1 and len(ours("noted")) == 1, "each kill is one event", (ours("burstable"), ours("noted")))
    finally:
        daemon.terminate()
        daemon.wait()


if __name__ == "__main__":
    sys.exit(main())
