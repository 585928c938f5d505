# SPDX-License-Identifier: MIT
"""Reads the documents: options, metrics and stanzas of the manual pages (mdoc), and the stanzas of README.md.

A page says in its section OPTIONS `.Ss The block <Name>` and under it `.It Ic Option`; in its section METRICS
`.It Sy type`, and then kind and unit: `Gauge, seconds.`"""

import re

ESCAPES = {r"\e": "\\", r"\-": "-", r"\&": "", r"\(dq": '"'}
STANZA = re.compile(r"^\s*(?:LoadPlugin|<Plugin)\s", re.M)


def plain(line):
    """A line of mdoc source without macros and escapes."""
    for escape, text in ESCAPES.items():
        line = line.replace(escape, text)
    if line.startswith("."):
        line = " ".join(line.split()[1:])
    return line


def section(page, name):
    """The lines of one section, without its heading."""
    found = re.search(rf"^\.Sh {re.escape(name)}\n(.*?)(?=^\.Sh |\Z)", page, re.M | re.S)
    return found[1].splitlines() if found else []


def _items(lines, heading):
    """What stands under each heading: {name: text}; an item ends at the next, or where its list ends."""
    items, name = {}, None
    for line in lines:
        found = heading.match(line)
        if found:
            name = found[1]
            items[name] = items.get(name, "") + plain(line) + "\n"
        elif line.startswith((".El", ".Ss", ".Sh")):
            name = None
        elif name:
            items[name] += plain(line) + "\n"
    return items


def options(page):
    """{(block, option): the text about it}."""
    found, blocks, lines = {}, [], []

    def close():
        for block in blocks:
            for name, text in _items(lines, re.compile(r"^\.It Ic <?(\w+)")).items():
                found[block, name] = text

    for line in section(page, "OPTIONS"):
        if line.startswith(".Ss "):
            close()
            blocks, lines = re.findall(r"<(\w+)>", line), []
        lines.append(line)
    close()
    return found


def metrics(page):
    """{type: the text about it}."""
    return _items(section(page, "METRICS"), re.compile(r"^\.It Sy (\S+)"))


def manual_stanzas(page):
    """The literal displays of a page that are collectd configuration."""
    displays = re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", page, re.M | re.S)
    texts = ["\n".join(plain(line) for line in display.splitlines()) + "\n" for display in displays]
    return [text for text in texts if STANZA.search(text)]


def readme_stanzas(text):
    """The indented blocks of a Markdown file that are collectd configuration."""
    blocks = re.findall(r"(?:^(?: {4}.*|)\n)+", text, re.M)
    texts = ["\n".join(line[4:] for line in block.strip("\n").splitlines()) + "\n" for block in blocks]
    return [text for text in texts if STANZA.search(text)]
