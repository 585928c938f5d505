# SPDX-License-Identifier: MIT
"""A throw-away certificate authority and one server certificate for all names of the lab, and for the fake Google."""

from . import identity, process, sites

_GOOGLE = "169.254.169.254"
_DAYS = 30
_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


def folder(lab_id):
    return identity.directory(lab_id) / "tls"


def authority(lab_id):
    """The file that a client must trust."""
    return folder(lab_id) / "ca.pem"


def create(lab_id):
    """Make CA and server certificate; the keys are readable by root only and end with the lab."""
    path = folder(lab_id)
    path.mkdir(mode=0o755)
    _request(path, "ca", "egress lab CA", _DAYS, ["-addext", "keyUsage=critical,keyCertSign,cRLSign"])
    issue(lab_id)


def issue(lab_id, days=_DAYS):
    """Make the server certificate, or make it anew; nginx reads it when it is told to reload."""
    path = folder(lab_id)
    names = ",".join([f"DNS:{site.name}" for site in sites.SITES] + [f"IP:{_GOOGLE}"])
    _request(path, "server", "egress lab server", days, [
        "-CA", str(path / "ca.pem"), "-CAkey", str(path / "ca.key"),
        "-addext", f"subjectAltName={names}", "-addext", "extendedKeyUsage=serverAuth",
        "-addext", "basicConstraints=critical,CA:FALSE"])


def _request(path, stem, subject, days, extra):
    process.run(["openssl", "req", "-x509", *_KEY, "-keyout", str(path / f"{stem}.key"), "-days", str(days),
                 "-out", str(path / f"{stem}.pem"), "-subj", f"/CN={subject}", *extra])
    (path / f"{stem}.key").chmod(0o600)
