"""Certificates for tests of TLS, made by openssl."""

import subprocess
from pathlib import Path


def certificate(folder: Path, name: str, signed_by: str = "") -> None:
    """A key and a certificate for 127.0.0.1; its own authority unless `signed_by` names one."""
    key, request, signed = (folder / f"{name}.{kind}" for kind in ("key", "csr", "pem"))
    new = ["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}"]
    if not signed_by:
        made = [*new, "-x509", "-days", "2", "-keyout", str(key), "-out", str(signed)]
        subprocess.run(made, check=True, capture_output=True)
        return
    made = [*new, "-keyout", str(key), "-out", str(request)]
    subprocess.run(made, check=True, capture_output=True)
    authority = [
        "-CA",
        str(folder / f"{signed_by}.pem"),
        "-CAkey",
        str(folder / f"{signed_by}.key"),
    ]
    sign = ["openssl", "x509", "-req", "-days", "2", "-in", str(request), *authority]
    subprocess.run([*sign, "-out", str(signed)], check=True, capture_output=True)
