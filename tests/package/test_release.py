# SPDX-License-Identifier: MIT
"""A release: one version everywhere, and clean packages. That another build has the same bytes is test_readme.py's."""

import hashlib
import re

import machines
import pytest
from conftest import TOP, find_one


def version():
    return re.search(r"^AC_INIT\(\[collectd-egress\], \[([^\]]+)\]", (TOP / "configure.ac").read_text(), re.M)[1]


@pytest.mark.parametrize("path, pattern", [
    ("NEWS", r"^(\S+) \("),
    ("packaging/debian/changelog", r"^collectd-egress \((\S+)-\d+\)"),
    ("packaging/rpm/collectd-egress.spec", r"^Version:\s+(\S+)"),
    ("packaging/rpm/collectd-egress.spec", r"^\* .* - (\S+)-\d+$"),
])
def test_every_file_says_the_version_of_configure_ac(path, pattern):
    """The first that each file says: older releases stand below."""
    assert re.search(pattern, (TOP / path).read_text(), re.M)[1] == version()


def test_every_package_has_it(packages, fields, rpm):
    assert fields["Version"].rsplit("-", 1)[0] == version()
    assert machines.run(["rpm", "--query", "--package", "--queryformat", "%{VERSION}", rpm]) == version()
    assert find_one(packages, "*.orig.tar.xz").name == f"collectd-egress_{version()}.orig.tar.xz"


def test_its_news_are_told_with_a_date():
    assert re.search(rf"^{re.escape(version())} \(\d+ [A-Z][a-z]+ \d{{4}}\)$", (TOP / "NEWS").read_text(), re.M)


def test_it_depends_on_the_abi_it_was_built_for(fields):
    needs = [each.strip() for each in fields["Depends"].split(",")]
    assert "collectd-core (>= 5.12.0)" in needs and "collectd-core (<< 5.13~)" in needs
    assert "libprotobuf-c1" in needs and any(each.startswith("libmicrohttpd12") for each in needs)


def test_lintian_is_silent(packages):
    said = machines.run(["lintian", "--allow-root", "--fail-on", "error,warning", find_one(packages, "*.changes")])
    assert said == ""


def test_rpmlint_is_silent(packages, rpm):
    said = machines.run(["rpmlint", "--config", TOP / "packaging/rpm/rpmlint.toml", rpm,
                         find_one(packages, "*.src.rpm"), TOP / "packaging/rpm/collectd-egress.spec"])
    assert re.search(r"2 packages and 1 specfiles checked; 0 errors, 0 warnings", said), said


@pytest.mark.parametrize("page", sorted((TOP / "man").glob("*.[57]")), ids=lambda page: page.name)
def test_mandoc_is_silent(page):
    assert machines.run(["mandoc", "-Tlint", "-Wwarning", page]) == ""


def test_without_an_rpm_there_are_checksums_of_the_rest(build, packages, tmp_path):
    assert packages
    partly = tmp_path / "packages"
    partly.mkdir()
    deb_name = find_one(packages, "collectd-egress_*.deb").name
    (partly / deb_name).write_bytes(b"a package")
    machines.run(["make", "-C", build, "checksums", f"PACKAGES={partly}"])
    names = [line.split("  ", 1)[1] for line in (partly / "SHA256SUMS").read_text().splitlines()]
    assert names == [f"collectd-egress-{version()}.tar.xz", deb_name]


def test_the_checksums_are_those_of_the_files(build, packages, rpm):
    machines.run(["make", "-C", build, "checksums"])
    said = dict(reversed(line.split("  ", 1)) for line in (packages / "SHA256SUMS").read_text().splitlines())
    names = {path.name for path in packages.iterdir() if path.is_file()}
    assert rpm.name in said
    assert {f"collectd-egress-{version()}.tar.xz", *(name for name in names if name.endswith(".deb"))} <= set(said)
    for name, digest in said.items():
        assert hashlib.sha256((packages / name).read_bytes()).hexdigest() == digest
