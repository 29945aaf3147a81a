#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole way of a kill: kernel, daemon, Prometheus, rule, Alertmanager, webhook; with node_exporter as a second witness.

Everything is the real program, as Debian has it, on ports of 127.0.0.1 that are free; all of it ends with the run.
"""
import http.server
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("OOMWITNESS_BINARY", ROOT + "/.build/release/oomwitness")
KILLS = 3
PATIENCE_SECONDS = 120
HOG = "x=[bytearray(1<<20) for _ in range(200)]"


class Failure(Exception):
    pass


def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait(what, ready):
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        try:
            value = ready()
        except (OSError, ValueError, urllib.error.URLError):
            value = None
        if value:
            return value
        time.sleep(0.2)
    raise Failure(f"waited {PATIENCE_SECONDS} s for {what}")


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


class Webhook(http.server.ThreadingHTTPServer):
    """Keeps each alert that Alertmanager sends, with the moment."""

    def __init__(self):
        self.alerts = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(handler):
                body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
                self.alerts += [(time.monotonic(), alert) for alert in body["alerts"]]
                handler.send_response(200)
                handler.end_headers()

            def log_message(handler, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def firing(self, name, **labels):
        for moment, alert in self.alerts:
            if alert["status"] == "firing" and alert["labels"]["alertname"] == name:
                if all(alert["labels"].get(key) == value for key, value in labels.items()):
                    return moment, alert
        return None


class Cgroup:
    """A group of 32 MiB, in which a process that takes 200 is killed."""

    def __init__(self, name):
        v1 = "/sys/fs/cgroup/memory"
        self.path = "/" + name
        self.folder = (v1 if os.path.isdir(v1) else "/sys/fs/cgroup") + self.path
        os.mkdir(self.folder)
        limit = "memory.limit_in_bytes" if os.path.isdir(v1) else "memory.max"
        with open(f"{self.folder}/{limit}", "w") as file:
            file.write(str(32 << 20))

    def kill(self):
        script = f"import os; open('{self.folder}/cgroup.procs', 'w').write(str(os.getpid())); {HOG}"
        status = subprocess.run([sys.executable, "-c", script]).returncode
        if status != -signal.SIGKILL:
            raise Failure(f"the process in {self.path} ended with {status} and was not killed")

    def remove(self):
        for _ in range(100):
            try:
                os.rmdir(self.folder)
                return
            except OSError:
                time.sleep(0.1)


class Testbed:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="oomwitness-metrics-")
        os.chmod(self.folder, 0o755)
        self.ports = {name: port() for name in ("oomwitness", "node", "alertmanager", "prometheus")}
        self.webhook = Webhook()
        self.programs = {}

    def file(self, name, text):
        path = f"{self.folder}/{name}"
        with open(path, "w") as file:
            file.write(text)
        return path

    def url(self, name, path=""):
        return f"http://127.0.0.1:{self.ports[name]}{path}"

    def start(self, name, *command):
        log = open(f"{self.folder}/{name}.log", "w")
        self.programs[name] = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)

    def end(self, name):
        program = self.programs.pop(name)
        program.terminate()
        try:
            return program.wait(timeout=30)
        except subprocess.TimeoutExpired:
            program.kill()
            return program.wait()

    def close(self):
        for name in list(self.programs):
            self.end(name)
        self.webhook.shutdown()
        if not os.environ.get("KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)

    def start_all(self):
        textfiles = f"{self.folder}/textfiles"
        os.mkdir(textfiles)
        os.chmod(textfiles, 0o755)
        configuration = self.file("config.yaml", f"""
state_directory: {self.folder}/state
sinks: [{{type: file, path: {self.folder}/events.ndjson}}]
metrics: {{listen: "127.0.0.1:{self.ports['oomwitness']}", textfile: {textfiles}/oomwitness.prom, every: 1s, bpf_stats: true}}
""")
        self.start("oomwitness", BINARY, "daemon", "--config", configuration)
        self.start(
            "node", "/usr/bin/prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{self.ports['node']}",
            "--collector.disable-defaults", "--collector.vmstat", "--collector.vmstat.fields=^oom_kill",
            "--collector.textfile", f"--collector.textfile.directory={textfiles}")
        routes = self.file("alertmanager.yaml", f"""
route: {{receiver: webhook, group_wait: 1s, group_interval: 1s, group_by: [alertname, cgroup]}}
receivers:
  - name: webhook
    webhook_configs: [{{url: "http://127.0.0.1:{self.webhook.server_address[1]}/"}}]
""")
        self.start(
            "alertmanager", "/usr/bin/prometheus-alertmanager", f"--config.file={routes}",
            f"--storage.path={self.folder}/alertmanager", "--cluster.listen-address=",
            f"--web.listen-address=127.0.0.1:{self.ports['alertmanager']}")
        scrapes = self.file("prometheus.yaml", f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{ROOT}/deploy/prometheus/alerts.yaml"]
alerting:
  alertmanagers:
    - static_configs: [{{targets: ["127.0.0.1:{self.ports['alertmanager']}"]}}]
scrape_configs:
  - job_name: oomwitness
    static_configs: [{{targets: ["127.0.0.1:{self.ports['oomwitness']}"], labels: {{instance: here}}}}]
  - job_name: node
    static_configs: [{{targets: ["127.0.0.1:{self.ports['node']}"], labels: {{instance: here}}}}]
""")
        self.start(
            "prometheus", "/usr/bin/prometheus", f"--config.file={scrapes}",
            f"--storage.tsdb.path={self.folder}/prometheus",
            f"--web.listen-address=127.0.0.1:{self.ports['prometheus']}")

    def query(self, expression):
        query = urllib.parse.urlencode({"query": expression})
        answer = json.loads(get(self.url("prometheus", "/api/v1/query?" + query)))
        return answer["data"]["result"]

    def value(self, expression):
        result = self.query(expression)
        return float(result[0]["value"][1]) if result else None

    def pending(self, name):
        alerts = json.loads(get(self.url("prometheus", "/api/v1/alerts")))["data"]["alerts"]
        return [alert for alert in alerts if alert["labels"]["alertname"] == name]


def check(what, holds):
    if not holds:
        raise Failure(what)
    print(f"ok    {what}")


def dashboard(bed):
    """Each expression of the dashboard, as Grafana would ask for it."""
    with open(ROOT + "/deploy/grafana/oomwitness.json") as file:
        board = json.load(file)
    asked, answered = 0, 0
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            expression = target["expr"]
            for name, value in (("$__rate_interval", "1m"), ("$__interval", "1m"), ("$__range", "1h"), ("$instance", ".*")):
                expression = expression.replace(name, value)
            try:
                result = bed.query(expression)
            except urllib.error.HTTPError as error:
                raise Failure(f"{panel['title']}: {expression}: {error.read().decode()}") from None
            asked += 1
            answered += bool(result)
    return asked, answered


def run(bed, group):
    bed.start_all()
    wait("the daemon's first line", lambda: 'type="stream_start"} 1' in get(bed.url("oomwitness", "/metrics")))
    wait("both targets", lambda: bed.value('sum(up{job=~"oomwitness|node"})') == 2)
    # Two scrapes at least before the first kill, so that an increase is one.
    wait("scrapes", lambda: (bed.value('count_over_time(oomwitness_kills_total{scope="memcg"}[1m])') or 0) > 3)
    node, ours = "node_vmstat_oom_kill", 'oomwitness_kernel_counted_kills_total{job="oomwitness"}'
    wait("a moment in which nobody kills", lambda: bed.value(f"changes({node}[5s]) + on (instance) changes({ours}[5s])") == 0)
    before = bed.value(node) - bed.value(ours)

    begin = time.monotonic()
    group.kill()
    killed = time.monotonic()
    moment, alert = wait("the alert at the webhook", lambda: bed.webhook.firing("OOMKill", instance="here"))
    check(f"webhook has OOMKill {moment - killed:.1f} s after the kill: {alert['annotations']['summary']}", True)
    for _ in range(KILLS - 1):
        group.kill()
    _, alert = wait("the second alert", lambda: bed.webhook.firing("OOMKillsOfOneCgroup", cgroup=group.path))
    check(f"webhook has OOMKillsOfOneCgroup of {alert['labels']['cgroup']}", True)

    series = f'oomwitness_cgroup_kills_total{{job="oomwitness",cgroup="{group.path}"}}'
    wait("the count", lambda: bed.value(series) == KILLS)
    # Others may kill on this host meanwhile: both have to count them, and to agree once both were scraped after.
    wait("both counts to be the same", lambda: bed.value(f"{node} - on (instance) {ours}") == before)
    check(f"node_vmstat_oom_kill and our count grew by the same: {bed.value(ours):.0f}", True)
    textfile = f'oomwitness_cgroup_kills_total{{job="node",cgroup="{group.path}"}}'
    wait("the textfile's count", lambda: bed.value(textfile) == KILLS)
    check("node_exporter has the same by the textfile", True)
    check("node_exporter read the textfile without an error", bed.value("node_textfile_scrape_error") == 0)
    for name in ("OOMWitnessLoses", "OOMWitnessMissedKills", "OOMWitnessSinkDown", "OOMWitnessDown"):
        check(f"{name} is quiet", not bed.pending(name))
    promtool = subprocess.run(
        ["promtool", "check", "metrics"], input=get(bed.url("oomwitness", "/metrics")).encode(), capture_output=True)
    check(f"promtool check metrics: {promtool.stdout + promtool.stderr!r}", promtool.returncode == 0)
    asked, answered = dashboard(bed)
    check(f"Prometheus takes {asked} expressions of the dashboard, and {answered} have an answer now", answered > asked / 2)
    print("      a scrape: {:.0f} samples, {:.1f} ms".format(
        bed.value('scrape_samples_scraped{job="oomwitness"}'),
        1000 * bed.value('quantile_over_time(0.5, scrape_duration_seconds{job="oomwitness"}[1m])')))
    cpu = bed.value('rate(process_cpu_seconds_total{job="oomwitness"}[30s])')
    print("      resident {:.1f} MB, {:.2f} % of a processor at a scrape and a file a second".format(
        bed.value('process_resident_memory_bytes{job="oomwitness"}') / 1e6, 100 * cpu))

    status = bed.end("oomwitness")
    check("the daemon ends with 0", status == 0)
    wait("the alert that nobody watches", lambda: bed.pending("OOMWitnessDown"))
    check("OOMWitnessDown is pending once it has ended", True)
    check("the textfile has gone with it", not os.listdir(f"{bed.folder}/textfiles"))
    with open(f"{bed.folder}/events.ndjson") as file:
        lines = [json.loads(line) for line in file]
    kills = [line for line in lines if line["type"] == "oom_kill"]
    told = [kill for kill in kills if kill["victim"].get("cgroup", {}).get("path") == group.path]
    check(f"the sink has the same {len(told)} kills", len(told) == KILLS)
    print(f"      {time.monotonic() - begin:.0f} s in all")


def main():
    bed = Testbed()
    group = Cgroup(f"oomwitness-metrics-bed-{os.getpid()}")
    try:
        run(bed, group)
        return 0
    except Failure as failure:
        print(f"FAIL  {failure}", file=sys.stderr)
        for name in ("oomwitness", "prometheus", "alertmanager", "node"):
            path = f"{bed.folder}/{name}.log"
            if os.path.exists(path):
                with open(path) as file:
                    print(f"--- {name}\n{file.read()[-1500:]}", file=sys.stderr)
        return 1
    finally:
        bed.close()
        group.remove()


if __name__ == "__main__":
    sys.exit(main())
