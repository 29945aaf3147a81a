# SPDX-License-Identifier: Apache-2.0
"""What `make deb`, `make dist` and `make install` have made, used as people use it.

    python3 Tests/Packages/run.py                all of it; as root, since it unpacks a Debian of its own and changes its root
    python3 Tests/Packages/run.py --only pages   one part: pages, completions, archive, package

The clean Debian is made once by debootstrap and kept in ${OOMWITNESS_CACHE:-$HOME/.cache/oomwitness}/chroot; each run has a copy. One line a
check; the last is `N passed, N failed`; exit status 1 where one failed, 2 where it cannot run here.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / ".build"
SUITE = "bookworm"


def run(*command: str | Path, check: bool = True, **options) -> subprocess.CompletedProcess:
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.returncode}: {(done.stderr or done.stdout).strip()[-1500:]}")
    return done


def only(pattern: str) -> Path:
    found = sorted(BUILD.glob(pattern))
    if len(found) != 1:
        raise RuntimeError(f".build/{pattern}: {len(found)} files (make deb dist)")
    return found[0]


def commands(binary: Path) -> set[str]:
    """Names of all pages that have to be there, from the helps that people read."""

    def below(words: list[str]) -> Iterator[str]:
        yield "-".join(["oomwitness", *words])
        text = run(binary, "help", *words).stdout.partition("SUBCOMMANDS:")[2]
        for name in re.findall(r"^  ([a-z-]+)", text.partition("\n\n")[0], re.M):
            yield from below([*words, name])

    return set(below([]))


def pages(folder: Path, binary: Path) -> list[str]:
    """There is a page for each command; man and mandoc take each without a warning, and it names each option."""
    found = {path.name.removesuffix(".1"): path for path in folder.glob("*.1")}
    problems = [f"no page {name}" for name in sorted(commands(binary) - set(found))]
    problems += [f"a page of no command: {name}" for name in sorted(set(found) - commands(binary))]
    for name, path in sorted(found.items()):
        environment = os.environ | {"MANROFFSEQ": "", "LC_ALL": "C.UTF-8", "MANWIDTH": "80"}
        man = run("man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", path, check=False, env=environment)
        lint = run("mandoc", "-T", "lint", "-W", "style", path, check=False)
        for line in (man.stderr + lint.stdout).splitlines():
            # Neither: a page of ours may name one that is not installed here.
            if not re.search(r"referenced manual not found|input text line longer than 80 bytes", line):
                problems.append(line)
        text = re.sub(r"\s+", " ", re.sub(".\b", "", man.stdout).replace("‐ ", "").replace("‐", "-"))
        options = set(re.findall(r"--[a-z][a-z-]*", run(binary, "help", *name.split("-")[1:]).stdout))
        missing = {option for option in options - {"--version", "--help"} if option not in text.replace("- ", "-")}
        problems += [f"{name}: {option} is not in the page" for option in sorted(missing)]
    return problems


def completions(share: Path, binary: Path) -> list[str]:
    """Each shell takes its file, and bash offers what there is."""
    problems = []
    files = {
        "bash": share / "bash-completion/completions/oomwitness",
        "zsh": next(share.glob("zsh/*/_oomwitness")),
        "fish": share / "fish/vendor_completions.d/oomwitness.fish",
    }
    for shell, path in files.items():
        done = run(shell, "-n", path, check=False)
        if done.returncode != 0 or done.stderr:
            problems.append(f"{shell} -n: {done.stderr.strip()}")
    environment = os.environ | {"PATH": f"{binary.parent}:{os.environ['PATH']}"}
    script = f"""source {files["bash"]}
      COMP_WORDS=(oomwitness pressure ''); COMP_CWORD=2; COMP_LINE='oomwitness pressure '; COMP_POINT=${{#COMP_LINE}}
      spec=$(complete -p oomwitness); [[ $spec =~ -F\\ ([^ ]+) ]] && "${{BASH_REMATCH[1]}}" oomwitness '' pressure; echo "${{COMPREPLY[*]}}" """
    offered = run("bash", "-c", script, check=False, env=environment).stdout.split()
    if not {"watch", "status"} <= set(offered):
        problems.append(f"bash offers {offered} after `oomwitness pressure `")
    fish = run("fish", "-c", f'source {files["fish"]}; complete -C "oomwitness pressure "', check=False, env=environment).stdout
    if not {"watch", "status"} <= {line.split("\t")[0] for line in fish.splitlines()}:
        problems.append(f"fish offers {fish[:200]!r} after `oomwitness pressure `")
    return problems


def archive() -> list[str]:
    """The same bytes twice, the sum that stands beside it, nobody's name in it, and a binary that starts."""
    path = only("dist/*.tar.xz")
    problems = []
    with tempfile.TemporaryDirectory() as scratch:
        epoch = os.environ.get("SOURCE_DATE_EPOCH") or run("git", "log", "-1", "--format=%ct", cwd=ROOT).stdout.strip()
        run(ROOT / "packaging/dist", BUILD / "release/oomwitness", scratch, env=os.environ | {"SOURCE_DATE_EPOCH": epoch, "TZ": "Asia/Seoul"})
        if (Path(scratch) / path.name).read_bytes() != path.read_bytes():
            problems.append("packed a second time it has other bytes")
        run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=path.parent)
        with tarfile.open(path) as members:
            owners = {(member.uid, member.gid, member.uname, member.gname) for member in members}
            members.extractall(scratch, filter="data")
        if owners != {(0, 0, "", "")}:
            problems.append(f"owners: {owners}")
        program = next(Path(scratch).glob("oomwitness-*/bin/oomwitness"))
        version = run(program, "--version").stdout.strip()
        if f"oomwitness-{version}-" not in path.name:
            problems.append(f"{path.name} has version {version}")
    return problems


def clean_debian(folder: Path) -> Path:
    """A copy of a Debian that has nothing but what every Debian has."""
    cache = Path(os.environ.get("OOMWITNESS_CACHE") or Path.home() / ".cache/oomwitness") / "chroot"
    kept = cache / f"{SUITE}.tar"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        made = cache / f"{SUITE}.new"
        shutil.rmtree(made, ignore_errors=True)
        uris = run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").stdout.split()
        uri = os.environ.get("OOMWITNESS_DEBIAN_URI") or next(uri.rstrip("/") for uri in uris if uri.rstrip("/").endswith("/debian"))
        run("debootstrap", "--variant=minbase", SUITE, made, uri)
        run("tar", "-C", made, "-cf", kept.with_suffix(".part"), ".")
        kept.with_suffix(".part").rename(kept)
        shutil.rmtree(made)
    root = folder / "debian"
    root.mkdir()
    run("tar", "-C", root, "-xf", kept)
    return root


def snapshot(root: Path) -> dict[str, str]:
    """Each file of the system with what it holds, without what every installation changes."""
    skipped = re.compile(r"^/(var/(lib/dpkg|cache|log/(dpkg|apt|alternatives))|etc/ld\.so\.cache|proc|sys|dev)")
    found = {}
    for path in root.rglob("*"):
        name = "/" + str(path.relative_to(root))
        if not skipped.match(name):
            found[name] = str(path.stat().st_size) if path.is_file() and not path.is_symlink() else "-"
    return found


def package() -> list[str]:
    """In a clean Debian: it installs, starts, keeps a configuration that was changed, and leaves nothing behind a purge."""
    deb = only("deb/*.deb")
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as scratch:
        root = clean_debian(Path(scratch))

        def inside(*command: str, check: bool = True) -> subprocess.CompletedProcess:
            # No network, no proc of this host: pid, mount and net namespaces of its own.
            return run(
                "unshare", "--mount", "--pid", "--net", "--fork", "chroot", root, "/bin/sh", "-c",
                'mount -t proc proc /proc; "$@"; code=$?; umount /proc; exit $code', "-", *command, check=check,
            )  # fmt: skip

        def expect(what: str, holds: bool, detail: str = "") -> None:
            if not holds:
                problems.append(f"{what} {detail}".strip())

        before = snapshot(root)
        shutil.copy(deb, root / "tmp/oomwitness.deb")
        installed = inside("dpkg", "-i", "/tmp/oomwitness.deb")
        expect("dpkg -i complains:", not re.search(r"warning|error", installed.stderr + installed.stdout), installed.stderr)
        version = inside("oomwitness", "--version")
        expect("it does not start", bool(re.fullmatch(r"\d+\.\d+\.\d+\n", version.stdout)), version.stderr)
        scores = inside("oomwitness", "scores", "--output", "json", check=False)
        expect("scores:", scores.returncode == 0, scores.stderr)
        verified = inside("dpkg", "--verify", "oomwitness")
        # minbase has no debsums; dpkg compares md5sums itself.
        expect("dpkg --verify:", verified.stdout == "", verified.stdout)
        has_unit = (root / "usr/lib/systemd/system/oomwitness.service").exists()
        config = root / "etc/oomwitness/config.yaml"
        if has_unit:
            # A link that leads nowhere, seen from outside.
            wants = [folder.name for folder in root.glob("etc/systemd/system/*.wants") if "oomwitness.service" in os.listdir(folder)]
            expect("the service is enabled by", wants == ["sysinit.target.wants"], str(wants))
            config.write_text(config.read_text() + "# mine\n")
            inside("dpkg", "-i", "--force-confdef", "/tmp/oomwitness.deb")
            expect("an upgrade took the configuration away", "# mine" in config.read_text())
            checked = inside("oomwitness", "daemon", "--check-config", check=False)
            expect("daemon --check-config:", checked.returncode == 0, checked.stderr)
            (root / "var/lib/private/oomwitness").mkdir(parents=True)
            (root / "var/lib/oomwitness").symlink_to("private/oomwitness")
        inside("dpkg", "--remove", "oomwitness")
        expect("after its removal it is still there", not (root / "usr/bin/oomwitness").exists())
        expect("its removal took the configuration away", config.exists() == has_unit)
        purged = inside("dpkg", "--purge", "oomwitness")
        expect("dpkg --purge:", "not empty" not in purged.stderr, purged.stderr)
        (root / "tmp/oomwitness.deb").unlink()
        after = snapshot(root)
        ignored = {"/var/lib/private", "/var/lib/systemd", "/var/lib/systemd/deb-systemd-helper-enabled", "/var/lib/systemd/deb-systemd-helper-masked"}
        left = sorted(set(after.items()) ^ set(before.items()))
        expect("after the purge:", not [entry for entry in left if entry[0] not in ignored], str(left[:10]))
    return problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["pages", "completions", "archive", "package"])
    only_part = parser.parse_args().only
    if os.geteuid() != 0:
        print("run.py: it takes root, to unpack a Debian and change its root", file=sys.stderr)
        return 2
    binary = BUILD / "release/oomwitness"
    staged = BUILD / "deb/root/usr/share"
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for page in staged.glob("man/man1/*.gz"):
            (folder / page.stem).write_bytes(subprocess.run(["gzip", "-dc", page], capture_output=True, check=True).stdout)
        parts: dict[str, Callable[[], list[str]]] = {
            "pages": lambda: pages(folder, binary),
            "completions": lambda: completions(staged, binary),
            "archive": archive,
            "package": package,
        }
        passed = failed = 0
        for name, part in parts.items():
            if only_part not in (None, name):
                continue
            try:
                problems = part()
            except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                problems = [str(error)]
            print(f"{'FAILED' if problems else 'passed'}  {name}", *[f"    {problem}" for problem in problems], sep="\n", flush=True)
            passed, failed = passed + (not problems), failed + bool(problems)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
