# SPDX-License-Identifier: MIT
"""What the Ops Agent makes of a line of a log: the processors of etc/ops-agent/config.yaml, as the agent runs them.

It hands them to Fluent Bit, whose regular expressions are Ruby's (Onigmo) and whose times are strptime's, with %L for a
fraction of a second. Python stands in for both, so only what means the same in both is let through."""

import datetime
import json
import re

# Literals, an escaped sign, a class of plain signs and ranges, a named group; repeated greedily; anchored. No
# alternative, look-around, back reference, lazy or possessive repetition, class escape or class within a class.
_PIECE = re.compile(r"(\^|\$|\((?:\?<\w+>|(?!\?))|\)|\[\^?[\w .+/:-]+\]|\\[.\[\]()^$|?*+]|\.|[\w /:@=,;'\"-])([+*?])?(?![+*?])")
_TIME_PARTS = re.compile(r"%[YmdHMSLs]|[^%]")


class Unreadable(Exception):
    """A line that a parser does not take: the agent would pass it on as it is, as text."""


def common_regex(regex):
    """The regular expression in Python's way of writing; ValueError if the two languages might differ about it."""
    at = 0
    while at < len(regex):
        piece = _PIECE.match(regex, at)
        if piece is None:
            raise ValueError(f"not the same in Ruby and Python: {regex[at:at + 20]!r}")
        at = piece.end()
    return re.compile(regex.replace("(?<", "(?P<"))


def parse_time(text, time_format):
    """Seconds since 1970, in UTC where the format has no zone."""
    if "".join(_TIME_PARTS.findall(time_format)) != time_format:
        raise ValueError(f"a time format of other parts: {time_format}")
    if time_format == "%s.%L":
        return float(text)
    moment = datetime.datetime.strptime(text, time_format.replace("%L", "%f"))
    return moment.replace(tzinfo=datetime.timezone.utc).timestamp()


def read_line(logging, receiver, line):
    """The log entry of one line: {"time", "jsonPayload", and what modify_fields has set}."""
    pipeline = next(each for each in logging["service"]["pipelines"].values() if receiver in each["receivers"])
    entry = {"jsonPayload": {"message": line.rstrip("\n")}}
    for name in pipeline["processors"]:
        processor = logging["processors"][name]
        _PROCESSORS[processor["type"]](entry, processor)
    return entry


def _parse(entry, processor, read):
    payload = entry["jsonPayload"]
    found = read(payload.pop(processor["field"]))
    text = found.pop(processor["time_key"])
    if not isinstance(text, str):
        raise Unreadable(f"the time is no string: {text!r}")
    entry["time"] = parse_time(text, processor["time_format"])
    payload.update(found)


def _parse_regex(entry, processor):
    def read(line):
        found = common_regex(processor["regex"]).fullmatch(line)
        if found is None:
            raise Unreadable(line)
        return found.groupdict()
    _parse(entry, processor, read)


def _parse_json(entry, processor):
    def read(line):
        try:
            found = json.loads(line)
        except ValueError as error:
            raise Unreadable(line) from error
        if not isinstance(found, dict):
            raise Unreadable(line)
        return found
    _parse(entry, processor, read)


def _modify_fields(entry, processor):
    """All sources are read before any is removed, and those before any field is set."""
    changes = processor["fields"].items()
    values = {field: _get(entry, change.get("move_from") or change.get("copy_from") or field)
              for field, change in changes}
    for _, change in changes:
        if "move_from" in change:
            _remove(entry, change["move_from"])
    for field, change in changes:
        value = values[field] if values[field] is not None else change.get("default_value")
        value = change.get("map_values", {}).get(value, value)
        _set(entry, field, int(value) if change.get("type") == "integer" else value)


_PROCESSORS = {"parse_regex": _parse_regex, "parse_json": _parse_json, "modify_fields": _modify_fields}


def _get(entry, path):
    for step in path.split("."):
        entry = entry.get(step) if isinstance(entry, dict) else None
    return entry


def _set(entry, path, value):
    *steps, last = path.split(".")
    for step in steps:
        entry = entry.setdefault(step, {})
    if value is not None:
        entry[last] = value


def _remove(entry, path):
    *steps, last = path.split(".")
    for step in steps:
        entry = entry.get(step, {})
    entry.pop(last, None)
