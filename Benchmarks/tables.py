# SPDX-License-Identifier: Apache-2.0
"""Medians, ratios, and the text of the tables. No figure is written here."""

import math


def quantile(values, share):
    """Nearest rank: a value that was really measured."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def median(values):
    return quantile(values, 0.5)


def figure(value, digits=0):
    if value is None:
        return "not measured"
    return f"{value:,.{digits}f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def ratio(theirs, ours):
    """How many times ours fits into theirs."""
    if theirs is None or not ours:
        return "-"
    return f"{theirs / ours:.2f}"


def verdict(value, aim_below):
    return "met" if value < aim_below else "MISSED"


class Section:
    """One measure: a heading, sentences on how it was taken, tables."""

    def __init__(self, title, *sentences):
        self.title, self.parts = title, [" ".join(sentences)]

    def say(self, sentence):
        self.parts.append(sentence)

    def table(self, head, rows):
        cells = [[figure(cell, 1) for cell in row] for row in [head, *rows]]
        widths = [max(len(row[column]) for row in cells) for column in range(len(head))]

        def line(row):
            first, *others = (cell.ljust(width) if index == 0 else cell.rjust(width)
                              for index, (cell, width) in enumerate(zip(row, widths)))
            return "| " + " | ".join([first, *others]) + " |"
        rule = "|" + "|".join(("-" * (width + 2)) if index == 0 else ("-" * (width + 1) + ":")
                              for index, width in enumerate(widths)) + "|"
        self.parts.append("\n".join([line(cells[0]), rule, *map(line, cells[1:])]))

    def text(self):
        return f"## {self.title}\n\n" + "\n\n".join(self.parts) + "\n"
