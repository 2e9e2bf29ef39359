"""Certificates of the TLS listener: a certificate authority of this installation, and a server certificate by it.

Some official clients refuse plain http. Whoever wants to use them trusts `ca.pem` (`ca_file` of `dxops endpoints`). The
authority may only speak for this installation's own names (critical name constraints), so that trusting it, even in a
browser, gives its key no power over any other site.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dxops.app.settings import Settings
from dxops.base.files import write_atomic, write_secret

log = logging.getLogger(__name__)

_CA_LIFE = timedelta(days=3652)
_CA_LEFT = timedelta(days=400)  # a new authority before it could sign a certificate that outlives it
_LIFE = timedelta(days=365)  # with the hour before, below the 397 days that browsers accept
_LEFT = timedelta(days=30)
_SKEW = timedelta(hours=1)  # clients' clocks run behind

Key = ec.EllipticCurvePrivateKey


class TlsFiles(msgspec.Struct, frozen=True):
    """PEM files. `ca` is what clients trust; `certificate` and `key` are what the listener shows and keeps."""

    ca: Path
    certificate: Path
    key: Path


def names_of(settings: Settings) -> list[str]:
    """Every name and address that the TLS listener answers to."""
    domain = settings.domain
    names = ["localhost", "*.localhost", "127.0.0.1", "::1", domain, f"*.{domain}", f"*.kube.{domain}"]
    for environment in settings.environments:
        if environment.host_label:
            names += [f"*.{environment.host_label}.{domain}", f"*.{environment.host_label}.kube.{domain}"]
    names += settings.console.hosts
    host = settings.listen.console_tls.rpartition(":")[0].strip("[]")
    if not ip_address(host).is_unspecified:
        names.append(host)
    return list(dict.fromkeys(names))


def ensure_tls(directory: Path, names: Sequence[str], now: datetime) -> TlsFiles:
    """Make what is missing in `directory`, and anew what is broken, no longer fits `names`, or ends soon. Idempotent.

    The authority is kept as long as it may speak for all of `names`: people had to trust it by hand.
    """
    directory.mkdir(parents=True, exist_ok=True)
    files = TlsFiles(directory / "ca.pem", directory / "server.pem", directory / "server-key.pem")
    ca_key_path = directory / "ca-key.pem"
    ca = _read_pair(files.ca, ca_key_path)
    if ca is None or ca[0].not_valid_after_utc - now < _CA_LEFT or not _may_speak_for(ca[0], names):
        if ca is not None:
            log.warning("a new certificate authority: clients have to trust it", extra={"file": str(files.ca)})
        ca = _make_ca(names, now)
        _write_pair(files.ca, ca_key_path, ca)
    server = _read_pair(files.certificate, files.key)
    if server is None or not _fits(server[0], ca[0], names, now):
        _write_pair(files.certificate, files.key, _make_server(names, now, ca))
    return files


def _make_ca(names: Sequence[str], now: datetime) -> tuple[x509.Certificate, Key]:
    key = ec.generate_private_key(ec.SECP256R1())
    # The key's beginning in the name tells one installation's authority from another's in a list of many.
    digest = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest.hex()[:8]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"dxops local authority {digest}")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _CA_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(ca=True), critical=True)
        .add_extension(x509.NameConstraints(_permitted(names), None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return builder.sign(key, hashes.SHA256()), key


def _make_server(names: Sequence[str], now: datetime, ca: tuple[x509.Certificate, Key]) -> tuple[x509.Certificate, Key]:
    authority, ca_key = ca
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dxops")]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_alternatives(names), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
    )
    return builder.sign(ca_key, hashes.SHA256()), key


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _alternatives(names: Sequence[str]) -> x509.SubjectAlternativeName:
    general: list[x509.GeneralName] = []
    for name in names:
        address = _address(name)
        general.append(x509.DNSName(name) if address is None else x509.IPAddress(address))
    return x509.SubjectAlternativeName(general)


def _permitted(names: Sequence[str]) -> list[x509.GeneralName]:
    """The smallest set of DNS trees, and the addresses; all of loopback, since it is one machine."""
    trees = {name.removeprefix("*.") for name in names if _address(name) is None}
    roots = sorted(tree for tree in trees if not any(tree.endswith(f".{other}") for other in trees))
    networks: list[IPv4Network | IPv6Network] = [IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")]
    others = sorted({str(address) for name in names if (address := _address(name)) and not address.is_loopback})
    networks += [ip_network(address) for address in others]
    return [*(x509.DNSName(root) for root in roots), *(x509.IPAddress(network) for network in networks)]


def _may_speak_for(ca: x509.Certificate, names: Sequence[str]) -> bool:
    held = ca.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
    trees = [general.value for general in held if isinstance(general, x509.DNSName)]
    networks = [general.value for general in held if isinstance(general, x509.IPAddress)]
    for name in names:
        address = _address(name)
        plain = name.removeprefix("*.")
        if address is None and not any(plain == tree or plain.endswith(f".{tree}") for tree in trees):
            return False
        if address is not None and not any(
            isinstance(network, IPv4Network | IPv6Network) and address in network for network in networks
        ):
            return False
    return True


def _fits(server: x509.Certificate, ca: x509.Certificate, names: Sequence[str], now: datetime) -> bool:
    try:
        server.verify_directly_issued_by(ca)
        held = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # noqa: BLE001 - cryptography raises one of many for a foreign or broken certificate
        return False
    soon = server.not_valid_after_utc - now < _LEFT
    return not soon and now >= server.not_valid_before_utc and set(held) == set(_alternatives(names))


def _read_pair(certificate: Path, key: Path) -> tuple[x509.Certificate, Key] | None:
    """None unless both are there, readable and belong together (a crash may have come between their writes)."""
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except (FileNotFoundError, ValueError, TypeError):
        return None
    if not isinstance(private, ec.EllipticCurvePrivateKey) or found.public_key() != private.public_key():
        return None
    key.chmod(0o600)
    return found, private


def _write_pair(certificate: Path, key: Path, pair: tuple[x509.Certificate, Key]) -> None:
    pem = pair[1].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_secret(key, pem.decode())
    write_atomic(certificate, pair[0].public_bytes(serialization.Encoding.PEM))


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None
