"""Presentations: one that the real library made holds; every way of tampering with it does not."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from dxops.base.errors import Refused
from dxops.wire.dxrpc_credentials import Presented, access_credential, public_key_of, verify_presentation
from dxops.wire.proto import dx_pb2 as dx

RECORDED = json.loads((Path(__file__).parent / "data" / "presentation.json").read_text())
NONCE = bytes.fromhex(RECORDED["nonce"])
NOW = datetime(2026, 11, 24, tzinfo=UTC)
KUBE = ec.generate_private_key(ec.SECP256R1())


def recorded() -> dx.Presentation:
    return dx.Presentation.FromString(base64.b64decode(RECORDED["presentation"]))


def verify(presentation: dx.Presentation, nonce: bytes = NONCE) -> Presented:
    return verify_presentation(presentation, nonce=nonce, kube_key=public_key_of(KUBE), now=NOW)


def test_the_library_s_presentation_holds() -> None:
    presented = verify(recorded())
    assert presented.identity_key.hex() == RECORDED["identity"]
    assert not presented.has_access


def test_another_challenge_does_not() -> None:
    with pytest.raises(Refused, match="does not answer this socket's challenge"):
        verify(recorded(), b"other")


def _later(presentation: dx.Presentation) -> None:
    presentation.proofs[0].creation_date.seconds += 1


def _other_identity(presentation: dx.Presentation) -> None:
    device = dx.AuthorizedDevice.FromString(presentation.credentials[0].subject.assertion.value)
    device.identity_key.data = public_key_of(KUBE)
    presentation.credentials[0].issuer.data = public_key_of(KUBE)
    presentation.credentials[0].proof.signer.data = public_key_of(KUBE)
    presentation.credentials[0].subject.assertion.value = device.SerializeToString()


def _swapped_issuer(presentation: dx.Presentation) -> None:
    presentation.credentials[0].issuer.data = public_key_of(KUBE)


def _longer_life(presentation: dx.Presentation) -> None:
    presentation.credentials[0].expiration_date.seconds = int(NOW.timestamp()) + 3600


def _expired(presentation: dx.Presentation) -> None:
    presentation.credentials[0].expiration_date.seconds = int(NOW.timestamp()) - 1


def _no_proof(presentation: dx.Presentation) -> None:
    del presentation.proofs[:]


def _no_credential(presentation: dx.Presentation) -> None:
    del presentation.credentials[:]


def _short_signature(presentation: dx.Presentation) -> None:
    presentation.proofs[0].value = presentation.proofs[0].value[:-1]


def _zero_signature(presentation: dx.Presentation) -> None:
    presentation.proofs[0].value = bytes(64)


def _stranger_s_proof(presentation: dx.Presentation) -> None:
    presentation.proofs[0].signer.data = public_key_of(KUBE)


def _unknown_assertion(presentation: dx.Presentation) -> None:
    added = presentation.credentials.add()
    added.CopyFrom(presentation.credentials[0])
    added.subject.assertion.type_url = "dxos.halo.credentials.HaloSpace"


def _twice(presentation: dx.Presentation) -> None:
    presentation.credentials.add().CopyFrom(presentation.credentials[0])


def _other_type(presentation: dx.Presentation) -> None:
    presentation.proofs[0].type = "none"


@pytest.mark.parametrize(
    "tamper",
    [
        _later,
        _other_identity,
        _swapped_issuer,
        _longer_life,
        _expired,
        _no_proof,
        _no_credential,
        _short_signature,
        _zero_signature,
        _stranger_s_proof,
        _unknown_assertion,
        _twice,
        _other_type,
    ],
)
def test_tampered_ones_do_not(tamper: Callable[[dx.Presentation], None]) -> None:
    presentation = recorded()
    tamper(presentation)
    with pytest.raises(Refused):
        verify(presentation)


@given(st.integers(0, len(base64.b64decode(RECORDED["presentation"])) - 1), st.integers(1, 255))
def test_any_changed_byte_is_refused_or_changes_nothing_that_counts(position: int, flip: int) -> None:
    data = bytearray(base64.b64decode(RECORDED["presentation"]))
    data[position] ^= flip
    try:
        presentation = dx.Presentation.FromString(bytes(data))
        presented = verify(presentation)
    except Exception as error:
        assert type(error).__name__ in ("Refused", "DecodeError")  # noqa: PT017 - either is an answer
    else:
        # what is not signed: the chain of a presentation proof, which is not needed where the device is presented
        assert presented == verify(recorded())


def test_a_forged_access_credential_is_refused() -> None:
    presentation = recorded()
    forged = access_credential(KUBE, bytes.fromhex(RECORDED["identity"]), NOW)
    forged.proof.value = bytes(64)
    presentation.credentials.append(forged)
    with pytest.raises(Refused):
        verify(presentation)


def test_our_access_credential_has_the_library_s_id_and_shape() -> None:
    identity = bytes.fromhex(RECORDED["identity"])
    made = access_credential(KUBE, identity, NOW)
    access = dx.KubeAccess.FromString(made.subject.assertion.value)
    assert (access.kube_key.data, access.identity_key.data) == (public_key_of(KUBE), identity)
    assert made.subject.assertion.type_url == "dxos.halo.credentials.KubeAccess"
    assert len(made.id.data) == 32
    assert len(made.proof.value) == 64
