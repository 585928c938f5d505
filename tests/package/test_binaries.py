# SPDX-License-Identifier: MIT
"""What each installed library takes, and gives, is exactly what it must."""

import re

import machines
import pytest

PRIVATE = "usr/lib/collectd-egress/libegress.so"
NEEDED = {
    "usr/lib/collectd/egress_netlink.so": {"libc.so.6", "libegress.so"},
    "usr/lib/collectd/egress_nat.so": {"libc.so.6", "libcurl.so.4", "libegress.so", "libm.so.6", "libmnl.so.0",
                                       "libyajl.so.2"},
    "usr/lib/collectd/egress_probe.so": {"libc.so.6", "libcrypto.so.3", "libcurl.so.4", "libegress.so",
                                         "libpcre2-8.so.0", "libssl.so.3"},
    PRIVATE: {"libc.so.6", "libmnl.so.0"},
}
PLUGINS = [path for path in NEEDED if path != PRIVATE]


def dynamic(contents, path, tag):
    text = machines.run(["readelf", "--dynamic", "--wide", contents / path])
    return set(re.findall(rf"\({tag}\).*\[(.*)\]", text))


def symbols(contents, path, which):
    text = machines.run(["nm", "--dynamic", f"--{which}-only", contents / path])
    return {line.split()[-1].split("@")[0] for line in text.splitlines()}


def test_there_is_no_other_library(contents):
    found = {str(path.relative_to(contents)) for path in contents.rglob("*") if ".so" in path.name}
    assert found == set(NEEDED)


@pytest.mark.parametrize("path", NEEDED)
def test_it_needs_these_libraries(contents, path):
    assert dynamic(contents, path, "NEEDED") == NEEDED[path]


@pytest.mark.parametrize("path", NEEDED)
def test_only_plugins_search_only_the_private_folder(contents, path):
    assert dynamic(contents, path, "RUNPATH") == ({"/usr/lib/collectd-egress"} if path in PLUGINS else set())
    assert dynamic(contents, path, "RPATH") == set()


@pytest.mark.parametrize("path", PLUGINS)
def test_a_plugin_exports_what_collectd_calls(contents, path):
    assert symbols(contents, path, "defined") == {"module_register"}


def test_the_private_library_exports_what_the_plugins_take(contents):
    taken = set().union(*(symbols(contents, path, "undefined") for path in PLUGINS))
    exported = symbols(contents, PRIVATE, "defined")
    assert exported - taken == set()


def test_what_is_taken_from_nowhere_is_collectds(contents):
    """Symbols that no library brings must be those that the daemon itself exports."""
    daemon = {line.split()[-1].split("@")[0] for line in
              machines.run(["nm", "--dynamic", "--defined-only", "/usr/sbin/collectd"]).splitlines()}
    brought = symbols(contents, PRIVATE, "defined")
    for path in NEEDED:
        text = machines.run(["nm", "--dynamic", "--undefined-only", contents / path])
        unversioned = {line.split()[-1] for line in text.splitlines() if "@" not in line and " U " in f" {line} "}
        for name in unversioned - brought - daemon:
            assert re.match(r"(pcre2|yajl|curl|mnl)_", name), f"{path}: {name}"
