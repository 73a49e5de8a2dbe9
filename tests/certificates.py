"""Certificates of a test's own, for programs that encrypt."""

import subprocess
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.utils import timezone


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


def _sign(
    name: str, issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = timezone.now()
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if issuer is None:
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        built = built.add_extension(usage, critical=True)
    else:
        names = x509.SubjectAlternativeName(
            [x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.1"))]
        )
        signed_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer[1].public_key())
        built = built.add_extension(names, critical=False).add_extension(signed_by, critical=False)
    return built.sign(issuer[1] if issuer else key, hashes.SHA256()), key


def write_certificates(folder: Path) -> None:
    """A CA, and certificates of it for the server and for the portal."""
    ca = _sign("CA", None)
    for name, (certificate, key) in {
        "ca": ca,
        "server": _sign("server", ca),
        "portal": _sign("portal", ca),
    }.items():
        pem = serialization.Encoding.PEM
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(pem))
        kind, nothing = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        (folder / f"{name}.key").write_bytes(key.private_bytes(pem, kind, nothing))
