"""Credentials and presentations of `dxos.halo.credentials`: the canonical form, signing and verifying.

Keys are uncompressed P-256 points (65 bytes). A signature is ECDSA over SHA-256 of the canonical JSON, as 64 bytes
`r || s`; the wire calls the type `ED25519Signature` all the same. The canonical form is JSON with sorted camelCase keys
and no spaces: bytes and keys as lower-case hex, times as ISO 8601 with milliseconds, absent fields left out. Signed is
a credential without `id`, its proof with an empty `value` and without `chain`; of a presentation the list of its
credentials (whole) with the proof in that reduced form.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from dxops.base.errors import Refused
from dxops.wire.proto import dx_pb2 as dx

SIGNATURE_TYPE: Final = "ED25519Signature"
_DEVICE: Final = "dxos.halo.credentials.AuthorizedDevice"
_ACCESS: Final = "dxos.halo.credentials.KubeAccess"
_MAX_CREDENTIALS: Final = 16
_MAX_CHAIN: Final = 8
_ECDSA: Final = ec.ECDSA(hashes.SHA256())


class Presented(msgspec.Struct, frozen=True):
    """A presentation that holds: who (identity key), with which device, and whether our access credential was there."""

    identity_key: bytes
    device_key: bytes
    has_access: bool


def public_key_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The 65 bytes by which others know this key."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def verify_presentation(presentation: dx.Presentation, *, nonce: bytes, kube_key: bytes, now: datetime) -> Presented:
    """Check everything: each proof carries `nonce` and is signed by the presented device, that device is authorized
    by the identity, an access credential is ours and this identity's.

    Raises `Refused` saying what does not hold.
    """
    credentials = list(presentation.credentials)
    if not credentials or not presentation.proofs:
        raise Refused("the presentation has no credential or no proof")
    if len(credentials) > _MAX_CREDENTIALS or len(presentation.proofs) > _MAX_CREDENTIALS:
        raise Refused(f"the presentation has more than {_MAX_CREDENTIALS} credentials or proofs")
    devices = [one for one in credentials if _type_of(one) == _DEVICE]
    if len(devices) != 1:
        raise Refused("the presentation must hold exactly one AuthorizedDevice credential")
    identity_key, device_key = _authorized(devices[0])
    for credential in credentials:
        _verify_credential(credential, now)
    for proof in presentation.proofs:
        if proof.nonce != nonce:
            raise Refused("the proof does not answer this socket's challenge", hint="run the sequence again")
        if proof.signer.data != device_key:
            raise Refused("the proof is not signed by the presented device")
        if proof.type != SIGNATURE_TYPE:
            raise Refused(f"the proof type '{proof.type[:40]}' is not known; use {SIGNATURE_TYPE}")
        payload = {"credentials": [_plain(one) for one in credentials], "proof": _plain_proof(proof, signed=True)}
        _verify_signature(device_key, _canonical(payload), proof.value)
    has_access = any(_is_access(one, kube_key=kube_key, identity_key=identity_key) for one in credentials)
    return Presented(identity_key, device_key, has_access)


def access_credential(key: ec.EllipticCurvePrivateKey, identity_key: bytes, now: datetime) -> dx.Credential:
    """The KubeAccess credential of an identity, issued and signed by the node's key."""
    kube_key = dx.PublicKey(data=public_key_of(key))
    issued = Timestamp()
    issued.FromMilliseconds(int(now.timestamp() * 1000))
    holder = dx.PublicKey(data=identity_key)
    access = dx.KubeAccess(kube_key=kube_key, identity_key=holder, capabilities=["admin"])
    credential = dx.Credential(
        issuer=kube_key,
        issuance_date=issued,
        subject=dx.Claim(id=holder, assertion=dx.Any(type_url=_ACCESS, value=access.SerializeToString())),
        proof=dx.Proof(type=SIGNATURE_TYPE, creation_date=issued, signer=kube_key),
    )
    payload = _signed_payload(credential)
    first, second = decode_dss_signature(key.sign(payload, _ECDSA))
    credential.proof.value = first.to_bytes(32, "big") + second.to_bytes(32, "big")
    credential.id.data = hashlib.sha256(payload).digest()
    return credential


def _verify_credential(credential: dx.Credential, now: datetime, depth: int = 0) -> None:
    if depth > _MAX_CHAIN:
        raise Refused(f"a credential chain is longer than {_MAX_CHAIN}")
    if credential.HasField("expiration_date") and _moment(credential.expiration_date) <= now:
        raise Refused("a presented credential has expired")
    proof = credential.proof
    if proof.type != SIGNATURE_TYPE:
        raise Refused(f"the proof type '{proof.type[:40]}' is not known; use {SIGNATURE_TYPE}")
    if proof.signer.data != credential.issuer.data:
        if not proof.HasField("chain"):
            raise Refused("a credential is signed by another than its issuer and has no chain")
        link = proof.chain.credential
        if _type_of(link) != _DEVICE or _authorized(link) != (credential.issuer.data, proof.signer.data):
            raise Refused("a credential's chain does not authorize its signer")
        _verify_credential(link, now, depth + 1)
    _verify_signature(proof.signer.data, _signed_payload(credential), proof.value)


def _authorized(credential: dx.Credential) -> tuple[bytes, bytes]:
    """(identity, device) of an AuthorizedDevice credential whose parts agree with each other."""
    device = _decode(dx.AuthorizedDevice, credential)
    if (credential.issuer.data, credential.subject.id.data) != (device.identity_key.data, device.device_key.data):
        raise Refused("an AuthorizedDevice credential must be issued by its identity about its device")
    return device.identity_key.data, device.device_key.data


def _is_access(credential: dx.Credential, *, kube_key: bytes, identity_key: bytes) -> bool:
    if _type_of(credential) != _ACCESS:
        return False
    access = _decode(dx.KubeAccess, credential)
    kube_keys = {credential.issuer.data, credential.proof.signer.data, access.kube_key.data}
    return kube_keys == {kube_key} and {credential.subject.id.data, access.identity_key.data} == {identity_key}


def _verify_signature(key: bytes, message: bytes, signature: bytes) -> None:
    try:
        if len(signature) != 64:
            raise ValueError
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
        first, second = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        point.verify(encode_dss_signature(first, second), message, _ECDSA)
    except (ValueError, InvalidSignature):
        raise Refused(f"a signature of {key[:4].hex()}… does not hold") from None


def _signed_payload(credential: dx.Credential) -> bytes:
    plain = _plain(credential)
    plain.pop("id", None)
    plain["proof"] = _plain_proof(credential.proof, signed=True)
    return _canonical(plain)


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _plain(credential: dx.Credential) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "issuer": credential.issuer.data.hex(),
        "issuanceDate": _iso(credential.issuance_date),
        "subject": {"id": credential.subject.id.data.hex(), "assertion": _assertion(credential)},
        "proof": _plain_proof(credential.proof),
    }
    if credential.HasField("id"):
        plain["id"] = credential.id.data.hex()
    if credential.HasField("expiration_date"):
        plain["expirationDate"] = _iso(credential.expiration_date)
    if credential.HasField("expiration_ref"):
        plain["expirationRef"] = credential.expiration_ref.hex()
    return plain


def _plain_proof(proof: dx.Proof, *, signed: bool = False) -> dict[str, Any]:
    """`signed`: the form that is signed, with an empty value and without the chain."""
    plain: dict[str, Any] = {
        "type": proof.type,
        "creationDate": _iso(proof.creation_date),
        "signer": proof.signer.data.hex(),
        "value": "" if signed else proof.value.hex(),
    }
    if proof.HasField("nonce"):
        plain["nonce"] = proof.nonce.hex()
    if proof.HasField("chain") and not signed:
        plain["chain"] = {"credential": _plain(proof.chain.credential)}
    return plain


def _assertion(credential: dx.Credential) -> dict[str, Any]:
    if _type_of(credential) == _DEVICE:
        device = _decode(dx.AuthorizedDevice, credential)
        return {"identityKey": device.identity_key.data.hex(), "deviceKey": device.device_key.data.hex()}
    if _type_of(credential) == _ACCESS:
        access = _decode(dx.KubeAccess, credential)
        return {
            "kubeKey": access.kube_key.data.hex(),
            "identityKey": access.identity_key.data.hex(),
            "capabilities": list(access.capabilities),
        }
    raise Refused(
        f"a credential about '{_type_of(credential)[:80]}' cannot be checked here",
        hint="present AuthorizedDevice and KubeAccess only",
    )


def _decode(kind: type[Any], credential: dx.Credential) -> Any:  # Any: the message type is the argument
    try:
        return kind.FromString(credential.subject.assertion.value)
    except DecodeError:
        raise Refused(f"the assertion is not a valid {_type_of(credential)[:80]}") from None


def _type_of(credential: dx.Credential) -> str:
    return credential.subject.assertion.type_url


def _moment(stamp: Timestamp) -> datetime:
    try:
        return stamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Refused("a credential has an impossible date") from None


def _iso(stamp: Timestamp) -> str:
    return _moment(stamp).isoformat(timespec="milliseconds").replace("+00:00", "Z")
