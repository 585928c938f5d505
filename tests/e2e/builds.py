# SPDX-License-Identifier: MIT
"""The builds under test, and how collectd runs with their plugins.

EGRESS_BUILD_PLAIN and EGRESS_BUILD_SANITIZED name build directories whose `stage` holds the installed plugins; ./check
sets both."""

import os
import re
import subprocess
from pathlib import Path

COLLECTD = "/usr/sbin/collectd"
STOCK_PLUGINS = "/usr/lib/collectd"


def _stage(variable):
    path = os.environ.get(variable, "")
    plugins = Path(path) / "stage" / "lib" / "collectd"
    if not path or not (plugins / "egress_probe.so").exists():
        raise RuntimeError(f'{variable} is "{path}": expected a build directory with an installed stage (see ./check)')
    return plugins


def plain():
    return _stage("EGRESS_BUILD_PLAIN")


def sanitized():
    return _stage("EGRESS_BUILD_SANITIZED")


def with_plugin_folders(stanza):
    """A PluginDir holds for the LoadPlugin lines after it; a block without such a line gets one."""
    loaded = set(re.findall(r"^\s*<?LoadPlugin \"?(\w+)", stanza, re.M))
    wanted = re.findall(r"^<Plugin \"?(\w+)", stanza, re.M)
    lines = [f"LoadPlugin {name}" for name in dict.fromkeys(wanted) if name not in loaded] + stanza.splitlines()
    text = []
    for line in lines:
        name = re.match(r"\s*<?LoadPlugin \"?(\w+)", line)
        if name:
            text.append(f'PluginDir "{plain() if name[1].startswith("egress_") else STOCK_PLUGINS}"')
        text.append(line)
    return "\n".join(text) + "\n"


def _library(name):
    found = subprocess.run(["gcc", f"-print-file-name={name}"], check=True, capture_output=True, text=True)
    return found.stdout.strip()


def sanitizer_environment():
    """For a collectd that loads sanitized plugins: the daemon itself is not built with them. A finding ends it with 86.

    Leaks are memcheck's to find: collectd's own would drown ours here."""
    return {
        "LD_PRELOAD": f"{_library('libasan.so')} {_library('libubsan.so')}",
        "ASAN_OPTIONS": "detect_leaks=0:exitcode=86:abort_on_error=0",
        "UBSAN_OPTIONS": "halt_on_error=1:exitcode=86:print_stacktrace=1",
    }
