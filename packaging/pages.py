# SPDX-License-Identifier: Apache-2.0
"""Writes a man page for each command, from what the binary itself says of its commands: pages.py BINARY FOLDER

The date is that of SOURCE_DATE_EPOCH, so that the same commit makes the same pages. Format: man(7).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

TITLE = "oomwitness"
WIDTH = 78  # of a line of the source
# Left out: what ArgumentParser adds to every command, and says in a sentence below.
COMMON = {"version", "help"}


def escaped(text: str) -> str:
    """Text as roff prints it: its own characters, and no request where a line begins with one."""
    for character, code in (("\\", "\\e"), ("-", "\\-"), ("~", "\\(ti"), ("^", "\\(ha"), ("`", "\\(ga"), ("'", "\\(aq")):
        text = text.replace(character, code)
    return "\\&" + text if text.startswith(".") else text


def prose(text: str) -> str:
    """A paragraph. `Words in backquotes` are bold."""
    pieces = text.split("`")
    marked = escaped(text)
    if len(pieces) % 2:
        marked = "".join(f"\\fB{escaped(piece)}\\fR" if place % 2 else escaped(piece) for place, piece in enumerate(pieces))
    lines = textwrap.wrap(marked, WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join("\\&" + line if line.startswith(".") else line for line in lines)


def discussion(text: str) -> list[str]:
    """Paragraphs, and examples: lines that are indented."""
    lines: list[str] = []
    is_example = False
    for line in text.splitlines():
        if line.startswith("  ") != is_example:
            lines += [".EE"] if is_example else [".PP", ".EX"]
            is_example = not is_example
        if is_example:
            lines.append(escaped(line))
        elif line:
            lines += [".PP", prose(line)]
    # A section begins with a paragraph by itself.
    return lines[lines[:1] == [".PP"] :] + [".EE"] * is_example


def option_names(argument: dict) -> str:
    """`-m`, `--memory` low,medium: as it is typed."""
    value = f" \\fI{escaped(argument['valueName'])}\\fR" if argument["kind"] == "option" else ""
    # Short ones first, as everywhere.
    ordered = sorted(argument["names"], key=lambda name: name["kind"] == "long")
    dashes = {"short": "-", "long": "--", "longWithSingleDash": "-"}
    return ", ".join(f"\\fB{escaped(dashes[name['kind']] + name['name'])}\\fR{value}" for name in ordered)


def described(argument: dict) -> list[str]:
    parts = [argument.get("abstract", ""), argument.get("discussion", "")]
    if argument.get("allValues"):
        parts.append(f"One of {', '.join(argument['allValues'])}.")
    if argument.get("defaultValue"):
        parts.append(f"Without it: {argument['defaultValue']}.")
    if argument["kind"] == "positional":
        head = f"\\fI{escaped(argument['valueName'])}\\fR"
    else:
        head = option_names(argument)
    return [".TP", head, prose(" ".join(part for part in parts if part)) or "\\&"]


def synopsis(words: list[str], command: dict, shown: list[dict]) -> list[str]:
    lines = [f".B {' '.join(map(escaped, words))}"]
    if any(argument["kind"] != "positional" for argument in shown):
        lines.append("[\\fIoptions\\fR]")
    for argument in shown:
        if argument["kind"] == "positional":
            text = f"\\fI{escaped(argument['valueName'])}\\fR" + (" ..." if argument["isRepeating"] else "")
            lines.append(f"[{text}]" if argument["isOptional"] else text)
    if subcommands(command):
        default = command.get("defaultSubcommand")
        lines.append("\\fIcommand\\fR" if not default else f"[\\fIcommand\\fR]\n(without one: \\fB{escaped(default)}\\fR)")
    return lines


def subcommands(command: dict) -> list[dict]:
    return [sub for sub in command.get("subcommands", []) if sub.get("shouldDisplay", True) and sub["commandName"] != "help"]


def long_names(argument: dict) -> set[str]:
    return {name["name"] for name in argument.get("names", [])}


def page(words: list[str], command: dict, root: dict, version: str, date: str) -> str:
    name = "-".join(words)
    shown = [
        argument
        for argument in command.get("arguments", [])
        if argument.get("shouldDisplay", True) and not long_names(argument) & COMMON
    ]
    lines = [
        f'.\\" Made by packaging/pages.py of what {TITLE} {version} says of itself.',
        f'.TH {escaped(name.upper())} 1 {date} "{TITLE} {version}" "User Commands"',
        ".SH NAME",
        f"{escaped(name)} \\- {escaped(command['abstract'].rstrip('.'))}",
        ".SH SYNOPSIS",
        *synopsis(words, command, shown),
    ]
    if command.get("discussion"):
        lines += [".SH DESCRIPTION", *discussion(command["discussion"])]
    if shown:
        lines.append(".SH OPTIONS")
        for argument in sorted(shown, key=lambda argument: argument["kind"] != "positional"):
            lines += described(argument)
    if subcommands(command):
        lines.append(".SH COMMANDS")
        for sub in subcommands(command):
            lines += [".TP", f"\\fB{escaped(sub['commandName'])}\\fR", prose(sub.get("abstract", ""))]
    # One that has its own says so.
    if command is not root and " exits with " not in command["abstract"]:
        lines += [".SH EXIT STATUS", prose(root["discussion"].splitlines()[-1].partition(": ")[2])]
    related = [words[:-1]] * (len(words) > 1) + [[*words, sub["commandName"]] for sub in subcommands(command)]
    lines.append(".SH SEE ALSO")
    for place, other in enumerate(related):
        lines.append(f".BR {escaped('-'.join(other))} (1)" + "," * (place + 1 < len(related)))
    lines += [".PP", prose(f"`{' '.join(words)} --help` says the same. The guides that are named here as docs/ are in /usr/share/doc/{TITLE}, or in the source.")]
    return "\n".join(lines) + "\n"


def write(words: list[str], command: dict, root: dict, version: str, date: str, folder: Path) -> None:
    (folder / f"{'-'.join(words)}.1").write_text(page(words, command, root, version, date))
    for sub in subcommands(command):
        write([*words, sub["commandName"]], sub, root, version, date, folder)


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 64
    binary, folder = sys.argv[1], Path(sys.argv[2])
    root = json.loads(subprocess.run([binary, "--experimental-dump-help"], capture_output=True, check=True).stdout)["command"]
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    date = time.strftime("%Y-%m-%d", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())))
    folder.mkdir(parents=True, exist_ok=True)
    write([TITLE], root, root, version, date, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
