# SPDX-License-Identifier: Apache-2.0
"""One node that runs Kubernetes for real: etcd, kube-apiserver, scheduler, controller manager, containerd and kubelet, on loopback ports.

All state is in one work folder, but for what the parts have fixed: /run/containerd (containerd's state, where oomwitness and
deploy/kubernetes/daemonset.yaml look for it), /var/log/pods, /var/log/containers and /var/lib/kubelet. It does not start where
a containerd has its state there already, and `stop()` puts back what it and the kubelet have changed: sysctls, mounts, cgroups, folders.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "VM"))

from machine import end_with_parent

TOKEN = "testbed-token"
# Of deploy/kubernetes/pod-events-rbac.yaml, as who holds its token.
ACCOUNT, ACCOUNT_TOKEN = "system:serviceaccount:oomwitness:oomwitness", "account-of-the-testbed"
API, ETCD = "127.0.0.1:16443", "127.0.0.1:12379"
NODE = "oomwitness-node"
BOX = "docker.io/library/box:1"
PAUSE = "docker.io/library/pause:1"
READY_SECONDS = 120
END_SECONDS = 20
CONTAINERD_STATE = Path("/run/containerd")
FIXED = [CONTAINERD_STATE, *map(Path, ("/var/log/pods", "/var/log/containers", "/var/lib/kubelet"))]
# Kubelet: pkg/kubelet/cm/container_manager_linux.go, setupKernelTunables().
SYSCTLS = ("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes")


class TestbedError(Exception):
    """What did not start, with the end of its log."""


class Testbed:
    def __init__(self, programs: Path):
        if any(CONTAINERD_STATE.glob("io.containerd.*")):
            raise TestbedError(f"{CONTAINERD_STATE} is in use: a containerd runs here, or has left its state")
        self.programs = programs
        self.work = Path(tempfile.mkdtemp(prefix="oomw-k8s-", dir="/tmp"))
        self.sysctls = {name: path.read_text() for name in SYSCTLS if (path := Path("/proc/sys") / name).exists()}
        self.before = entries()
        self.groups = pod_groups()
        self.processes: list[tuple[str, subprocess.Popen]] = []

    # MARK: Start

    def start(self, images: dict[str, dict]) -> None:
        """`images`: names, and of each what image_archive() takes."""
        self.write_files()
        work = self.work
        self.run_daemon(
            "etcd", "/usr/bin/etcd", "--data-dir", work / "etcd", "--listen-client-urls", f"http://{ETCD}",
            "--advertise-client-urls", f"http://{ETCD}", "--listen-peer-urls", "http://127.0.0.1:12380",
        )
        self.run_daemon(
            "kube-apiserver", self.programs / "kube-apiserver", f"--etcd-servers=http://{ETCD}", "--secure-port=16443",
            "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", f"--cert-dir={work}/certificates",
            "--service-cluster-ip-range=10.96.0.0/24", "--service-account-issuer=https://kubernetes.default",
            f"--service-account-key-file={work}/account.pub", f"--service-account-signing-key-file={work}/account.key",
            f"--token-auth-file={work}/tokens.csv", "--authorization-mode=RBAC", "--disable-admission-plugins=ServiceAccount",
            "--endpoint-reconciler-type=none",
        )
        # Mounts that are shared, as systemd has them on a node, and in a namespace that ends with the two.
        space = ("unshare", "--mount", "--propagation", "shared")
        containerd = self.run_daemon("containerd", *space, "/usr/bin/containerd", "--config", work / "containerd.toml")
        self.wait("the apiserver", lambda: self.kubectl("get", "--raw", "/readyz").returncode == 0)
        self.wait("containerd", lambda: self.ctr("version").returncode == 0)
        for name, image in images.items():
            archive = work / "image.tar"
            archive.write_bytes(image_archive(name, **image))
            self.must(self.ctr("images", "import", archive))
        config = f"--kubeconfig={work}/kubeconfig"
        self.run_daemon(
            "kubelet", "nsenter", "--mount", f"--target={containerd.pid}", self.programs / "kubelet", f"--config={work}/kubelet.yaml", config, f"--root-dir={work}/kubelet",
            "--container-runtime=remote", f"--container-runtime-endpoint=unix://{work}/c.sock", f"--hostname-override={NODE}",
            f"--volume-plugin-dir={work}/plugins",
        )
        self.run_daemon("kube-scheduler", self.programs / "kube-scheduler", config, "--port=0", "--leader-elect=false")
        self.run_daemon(
            "kube-controller-manager", self.programs / "kube-controller-manager", config, "--port=0", "--leader-elect=false",
            "--controllers=deployment,replicaset,daemonset,nodelifecycle", "--use-service-account-credentials=false",
        )
        self.wait("the node", self.is_node_ready)

    def is_node_ready(self) -> bool:
        nodes = self.json("get", "nodes")["items"]
        return any(c["type"] == "Ready" and c["status"] == "True" for node in nodes for c in node["status"].get("conditions", []))

    def write_files(self) -> None:
        work = self.work
        (work / "manifests").mkdir()
        (work / "cni").mkdir()
        (work / "tokens.csv").write_text(f'{TOKEN},admin,admin,"system:masters"\n{ACCOUNT_TOKEN},{ACCOUNT},{ACCOUNT},"system:serviceaccounts"\n')
        (work / "account.token").write_text(ACCOUNT_TOKEN)
        subprocess.run(["openssl", "genrsa", "-out", work / "account.key", "2048"], check=True, capture_output=True)
        subprocess.run(["openssl", "rsa", "-in", work / "account.key", "-pubout", "-out", work / "account.pub"], check=True, capture_output=True)
        kubeconfig = {
            "apiVersion": "v1", "kind": "Config", "current-context": "testbed",
            "clusters": [{"name": "testbed", "cluster": {"server": f"https://{API}", "insecure-skip-tls-verify": True}}],
            "users": [{"name": "admin", "user": {"token": TOKEN}}],
            "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": "admin"}}],
        }
        (work / "kubeconfig").write_text(json.dumps(kubeconfig))
        kubelet = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "address": "127.0.0.1",
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"}, "cgroupDriver": "cgroupfs", "failSwapOn": False, "makeIPTablesUtilChains": False,
            "enforceNodeAllocatable": [], "staticPodPath": f"{work}/manifests", "oomScoreAdj": 0, "healthzPort": 0,
            "evictionHard": {"memory.available": "100Mi"}, "resolvConf": "/etc/resolv.conf", "fileCheckFrequency": "1s", "syncFrequency": "5s",
        }
        (work / "kubelet.yaml").write_text(json.dumps(kubelet))
        # A pair of devices for each pod, and no rule of a firewall: nobody has to reach a pod.
        network = {"cniVersion": "0.3.1", "name": "pods", "type": "ptp", "ipMasq": False,
                   "ipam": {"type": "host-local", "subnet": "10.213.77.0/24", "dataDir": f"{work}/addresses"}}
        (work / "cni/pods.conf").write_text(json.dumps(network))
        # restrict_oom_score_adj: to lower one takes CAP_SYS_RESOURCE, which a testbed need not have.
        (work / "containerd.toml").write_text(f"""
version = 2
root = "{work}/containerd"
state = "{CONTAINERD_STATE}"
[grpc]
  address = "{work}/c.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{work}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{work}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
""")

    def run_daemon(self, name: str, *command: str | Path) -> subprocess.Popen:
        with open(self.work / f"{name}.log", "w") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=end_with_parent)
        self.processes.append((name, process))
        return process

    def wait(self, what: str, is_so, seconds: float = READY_SECONDS) -> None:
        """Raises TestbedError where it never is so, or where a part has ended."""
        until = time.monotonic() + seconds
        while not is_so():
            ended = [name for name, process in self.processes if process.poll() is not None]
            if ended or time.monotonic() > until:
                logs = "".join(f"\n{name}: {self.log_end(name)}" for name in ended)
                raise TestbedError(f"waited for {what}" + (f"; ended: {', '.join(ended)}{logs}" if ended else f" for {seconds:.0f} s"))
            time.sleep(0.3)

    def log_end(self, name: str) -> str:
        return (self.work / f"{name}.log").read_text(errors="replace")[-600:]

    # MARK: Clients

    def kubectl(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess:
        command = [self.programs / "kubectl", f"--kubeconfig={self.work}/kubeconfig", f"--cache-dir={self.work}/discovery", *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True)

    def json(self, *arguments: str) -> dict:
        return json.loads(self.must(self.kubectl(*arguments, "-o", "json")).stdout)

    def apply(self, *objects: dict) -> None:
        for item in objects:
            self.must(self.kubectl("apply", "-f", "-", stdin=json.dumps(item)))

    def ctr(self, *arguments: str | Path) -> subprocess.CompletedProcess:
        return subprocess.run(["/usr/bin/ctr", "-a", self.work / "c.sock", "-n", "k8s.io", *arguments], capture_output=True, text=True)

    def must(self, done: subprocess.CompletedProcess) -> subprocess.CompletedProcess:
        if done.returncode != 0:
            raise TestbedError(f"{' '.join(map(str, done.args))}: {done.stderr.strip()}")
        return done

    # MARK: Stop

    def stop(self) -> None:
        """The other way round; containers and their shims before containerd."""
        for name, process in reversed(self.processes):
            if name == "containerd":
                for task in self.ctr("tasks", "list", "-q").stdout.split():
                    self.ctr("tasks", "delete", "--force", task)
                for container in self.ctr("containers", "list", "-q").stdout.split():
                    self.ctr("containers", "delete", container)
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for name, value in self.sysctls.items():
            if (path := Path("/proc/sys") / name).read_text() != value:
                path.write_text(value)
        made = entries() - self.before
        mine = (str(self.work), *map(str, made))
        for line in reversed(Path("/proc/self/mounts").read_text().splitlines()):
            if (point := line.split()[1]).startswith(mine):
                subprocess.run(["umount", "-l", point], check=False)
        for group in sorted(pod_groups() - self.groups, reverse=True):
            remove_group(group)
        for path in (self.work, *made):
            shutil.rmtree(path, ignore_errors=True)


def entries() -> set[Path]:
    """The fixed folders and what is in them."""
    return {path for folder in FIXED if folder.exists() for path in (folder, *folder.iterdir())}


def pod_groups() -> set[str]:
    """The kubelet's and containerd's cgroups in any hierarchy, as paths from its root."""
    top = Path("/sys/fs/cgroup")
    found = set()
    for root in [path for path in top.iterdir() if path.is_dir()]:
        found |= {str(Path(folder).relative_to(root)) for folder, _, _ in os.walk(root)}
    return {path for path in found if path.split("/")[0] in ("kubepods", "k8s.io")}


def remove_group(path: str) -> None:
    for root in Path("/sys/fs/cgroup").iterdir():
        try:
            (root / path).rmdir()
        except OSError:
            pass  # not of this hierarchy, or not empty: of somebody else


def image_archive(name: str, files: dict[str, bytes | str], entrypoint: list[str]) -> bytes:
    """As `docker save` writes it. `files`: programs; where the value is text, a link to it."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.mode = 0o755
            if isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
                tar.addfile(entry)
            else:
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    digest = hashlib.sha256(layer.getvalue()).hexdigest()
    config = {
        "architecture": "amd64", "os": "linux", "config": {"Entrypoint": entrypoint},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        parts = {"config.json": json.dumps(config).encode(), "layer.tar": layer.getvalue(), "manifest.json": json.dumps(manifest).encode()}
        for path, content in parts.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()
