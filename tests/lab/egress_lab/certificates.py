# SPDX-License-Identifier: MIT
"""A throw-away certificate authority, a server certificate for the lab's names and the fake Google, bad ones on demand."""

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
    _request(path, "server", "egress lab server", days, [*_signed(path), "-addext", f"subjectAltName={names}"])


def of_impostor(lab_id, how, site):
    """(certificate, key) of a program in a site's place: with the fault that `how` names, or the good ones."""
    path, stem = folder(lab_id), f"{how}-{site.key}"
    names = ["-addext", f"subjectAltName=DNS:{site.name}"]
    if how == "self-signed":
        _request(path, stem, site.name, _DAYS, names)
    elif how == "wrong-name":
        _request(path, stem, "elsewhere.example.net", _DAYS,
                 [*_signed(path), "-addext", "subjectAltName=DNS:elsewhere.example.net"])
    elif how == "expired":
        _expire(path, stem, site)
    else:
        stem = "server"
    return path / f"{stem}.pem", path / f"{stem}.key"


def _expire(path, stem, site):
    """`req` makes no certificate that has ended; `ca` does, and wants a database."""
    database = path / f"{stem}.db"
    database.write_text("", encoding="ascii")
    (path / f"{stem}.cnf").write_text(
        f"[ca]\ndefault_ca = lab\n[lab]\ndatabase = {database}\nnew_certs_dir = {path}\nrand_serial = yes\n"
        "default_md = sha256\npolicy = any\nx509_extensions = leaf\nunique_subject = no\n[any]\ncommonName = supplied\n"
        f"[leaf]\nsubjectAltName = DNS:{site.name}\nextendedKeyUsage = serverAuth\nbasicConstraints = CA:FALSE\n",
        encoding="ascii")
    request = path / f"{stem}.csr"
    process.run(["openssl", "req", *_KEY, "-keyout", str(path / f"{stem}.key"), "-out", str(request),
                 "-subj", f"/CN={site.name}"])
    process.run(["openssl", "ca", "-batch", "-notext", "-config", str(path / f"{stem}.cnf"),
                 "-cert", str(path / "ca.pem"), "-keyfile", str(path / "ca.key"), "-in", str(request),
                 "-out", str(path / f"{stem}.pem"), "-startdate", "20200101000000Z", "-enddate", "20200201000000Z"])


def _signed(path):
    return ["-CA", str(path / "ca.pem"), "-CAkey", str(path / "ca.key"), "-addext", "extendedKeyUsage=serverAuth",
            "-addext", "basicConstraints=critical,CA:FALSE"]


def _request(path, stem, subject, days, extra):
    process.run(["openssl", "req", "-x509", *_KEY, "-keyout", str(path / f"{stem}.key"), "-days", str(days),
                 "-out", str(path / f"{stem}.pem"), "-subj", f"/CN={subject}", *extra])
    (path / f"{stem}.key").chmod(0o600)
