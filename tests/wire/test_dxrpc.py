"""The RPC peer without I/O: what comes out for what goes in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dxops.base.errors import Refused
from dxops.wire.dxrpc import (
    PROTOCOL_ERROR,
    TOO_BIG,
    UNSUPPORTED_DATA,
    Begin,
    Cancel,
    Close,
    Command,
    End,
    Event,
    Fail,
    Frame,
    Gone,
    Item,
    Method,
    Peer,
    Ready,
    Reply,
    Send,
    Text,
)
from dxops.wire.dxrpc_modules import bundle_cid, cid_bytes, module_of, public_record, record_of
from dxops.wire.proto import dx_pb2 as dx

METHODS = {
    "a.S.Get": Method(dx.TunnelRequest, "a.TunnelRequest", "a.TunnelResponse"),
    "a.S.Watch": Method(dx.JoinRequest, "a.JoinRequest", "a.SwarmEvent", stream=True),
}
V0 = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"
V1 = "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"


def request(call: int, method: str = "a.S.Get", value: bytes = b"", stream: bool = False, type_url: str = "") -> Frame:
    made = dx.Request(id=call, method=method, payload=dx.Any(type_url=type_url, value=value), stream=stream)
    return Frame(dx.RpcMessage(request=made).SerializeToString())


def sent(commands: list[Command]) -> list[dx.Response]:
    return [dx.RpcMessage.FromString(command.data).response for command in commands if isinstance(command, Send)]


def refusal(commands: list[Command]) -> str:
    (response,) = sent(commands)
    assert response.WhichOneof("content") == "error"
    return str(response.error.message)


def test_a_call_and_its_answer() -> None:
    peer = Peer(METHODS)
    (begin,) = peer.handle(request(0, value=dx.TunnelRequest(name="x").SerializeToString()))
    assert begin == Begin(0, "a.S.Get", dx.TunnelRequest(name="x"))
    (response,) = sent(peer.handle(Reply(0, dx.TunnelResponse(url="u"))))
    assert (response.id, response.payload.type_url) == (0, ".a.TunnelResponse")
    assert dx.TunnelResponse.FromString(response.payload.value).url == "u"
    assert peer.handle(Reply(0, dx.TunnelResponse())) == []


@pytest.mark.parametrize("named", ["", ".a.TunnelRequest", "a.TunnelRequest", "type.googleapis.com/a.TunnelRequest"])
def test_type_names_with_and_without_the_dot(named: str) -> None:
    assert isinstance(Peer(METHODS).handle(request(1, type_url=named))[0], Begin)


def test_a_wrong_type_is_refused() -> None:
    assert "takes a.TunnelRequest, not b.X" in refusal(Peer(METHODS).handle(request(1, type_url=".b.X")))


def test_a_payload_that_is_no_message_is_refused() -> None:
    assert "not a valid a.TunnelRequest" in refusal(Peer(METHODS).handle(request(1, value=b"\xff\xff")))


def test_streams() -> None:
    peer = Peer(METHODS)
    assert isinstance(peer.handle(request(3, "a.S.Watch", stream=True))[0], Begin)
    assert sent(peer.handle(Ready(3)))[0].stream_ready
    assert sent(peer.handle(Item(3, dx.SwarmEvent())))[0].payload.type_url == ".a.SwarmEvent"
    # the bytes that clients send
    assert peer.handle(Frame(bytes.fromhex("2a020803"))) == [Cancel(3)]
    assert peer.handle(Item(3, dx.SwarmEvent())) == []
    assert peer.handle(Frame(bytes.fromhex("2a020803"))) == []
    peer.handle(request(4, "a.S.Watch", stream=True))
    assert sent(peer.handle(End(4)))[0].close
    peer.handle(request(5, "a.S.Watch", stream=True))
    assert refusal(peer.handle(Fail(5, "no"))) == "no"


def test_a_stream_asked_for_as_a_single_answer() -> None:
    assert "a.S.Watch gives a stream" in refusal(Peer(METHODS).handle(request(1, "a.S.Watch")))


def test_handshakes_are_answered() -> None:
    peer = Peer(METHODS)
    (ack,) = peer.handle(Frame(dx.RpcMessage(open=True).SerializeToString()))
    assert dx.RpcMessage.FromString(ack.data).open_ack  # type: ignore[union-attr]
    peer.handle(request(1))
    cancel, bye = peer.handle(Frame(dx.RpcMessage(bye=dx.Empty()).SerializeToString()))
    assert cancel == Cancel(1)
    assert dx.RpcMessage.FromString(bye.data).WhichOneof("content") == "bye"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (Text(), UNSUPPORTED_DATA),
        (Frame(b""), PROTOCOL_ERROR),
        (Frame(b"\x0a\x05\x08"), PROTOCOL_ERROR),
        (Frame(b"\x00" * 101), TOO_BIG),
    ],
)
def test_broken_frames_end_the_socket_and_its_calls(event: Event, code: int) -> None:
    peer = Peer(METHODS, max_frame_bytes=100)
    peer.handle(request(7))
    cancel, close = peer.handle(event)
    assert cancel == Cancel(7)
    assert isinstance(close, Close)
    assert close.code == code
    assert peer.handle(request(8)) == []


def test_an_id_in_use_ends_the_socket() -> None:
    peer = Peer(METHODS)
    peer.handle(request(1))
    assert isinstance(peer.handle(request(1))[-1], Close)


def test_open_calls_are_bounded() -> None:
    peer = Peer(METHODS, max_calls=2)
    peer.handle(request(1))
    peer.handle(request(2))
    assert "more than 2 calls" in refusal(peer.handle(request(3)))
    assert sent(peer.handle(Reply(1, dx.TunnelResponse())))
    assert isinstance(peer.handle(request(3))[0], Begin)


def test_answers_to_calls_that_we_never_made_are_ignored() -> None:
    frame = Frame(dx.RpcMessage(response=dx.Response(id=9, close=True)).SerializeToString())
    assert Peer(METHODS).handle(frame) == []


def test_gone_cancels_everything() -> None:
    peer = Peer(METHODS)
    peer.handle(request(1))
    peer.handle(request(2))
    assert peer.handle(Gone()) == [Cancel(1), Cancel(2)]


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_hostile_bytes_never_raise(frames: list[bytes]) -> None:
    peer = Peer(METHODS, max_frame_bytes=150)
    for data in frames:
        for command in peer.handle(Frame(data)):
            assert isinstance(command, Send | Close | Begin | Cancel)


ids = st.integers(min_value=-(2**31), max_value=2**31 - 1)
events = st.one_of(
    st.builds(request, st.integers(0, 3), st.sampled_from(["a.S.Get", "a.S.Watch", "b.S.Get"]), stream=st.booleans()),
    st.integers(0, 3).map(lambda call: Frame(dx.RpcMessage(stream_close=dx.StreamClose(id=call)).SerializeToString())),
    st.builds(Reply, st.integers(0, 3), st.just(dx.TunnelResponse())),
    st.builds(End, st.integers(0, 3)),
    st.just(Gone()),
)


@given(st.lists(events, max_size=30))
def test_every_call_ends_once(sequence: list[Any]) -> None:
    """Begun calls are exactly those answered, cancelled, or still open."""
    peer = Peer(METHODS)
    begun: set[int] = set()
    for event in sequence:
        for command in peer.handle(event):
            match command:
                case Begin(call):
                    assert call not in begun
                    begun.add(call)
                case Cancel(call):
                    begun.remove(call)
        if isinstance(event, Reply | End):
            begun.discard(event.id)


@given(ids)
def test_any_id_comes_back(call: int) -> None:
    peer = Peer(METHODS)
    peer.handle(request(call))
    assert sent(peer.handle(Reply(call, dx.TunnelResponse())))[0].id == call


# --- modules ---


@pytest.mark.parametrize("cid", [V0, V1])
def test_bundles_of_both_versions(cid: str) -> None:
    assert bundle_cid(dx.Module(name="a", bundle=cid_bytes(cid))) == cid
    assert module_of({}, name="a", cid=cid, version="1").bundle == cid_bytes(cid)


@pytest.mark.parametrize(
    "data", [b"", b"x", cid_bytes(V0)[:-1], cid_bytes(V1) + b"x", b"\x01", b"\x00" * 34, b"\x01\x70" * 200]
)
def test_bundles_that_are_no_cid(data: bytes) -> None:
    with pytest.raises(Refused, match="module 'a'"):
        bundle_cid(dx.Module(name="a", bundle=data))


@given(st.binary(max_size=60))
def test_hostile_bundles_are_refused_or_round_trip(data: bytes) -> None:
    try:
        cid = bundle_cid(dx.Module(name="a", bundle=data))
    except Refused:
        return
    assert cid_bytes(cid) == data


def test_a_module_keeps_every_kind_of_value() -> None:
    module = dx.Module(name="example:app/x", type="dxos:type/app", display_name="X", tags=["a"], id="i", tunnel=True)
    module.build.version = "1.2.3"
    module.build.env.update({"s": "x", "n": 1.5, "b": True, "z": None, "l": [1, {"k": "v"}]})
    module.record.type_url = "some.Unknown"
    module.record.value = b"\x01\x02"
    module.bundle = cid_bytes(V0)
    record = record_of(module)
    assert record["displayName"] == "X"
    assert "bundle" not in record
    assert module_of(record, name="example:app/x", cid=V0, version="9") == module
    assert "env" not in public_record(record)["build"]  # type: ignore[operator]
    assert public_record(record)["build"] == {"version": "1.2.3"}


def test_a_value_that_json_cannot_hold_is_refused() -> None:
    module = dx.Module(name="a")
    module.build.env.update({"n": float("nan")})
    with pytest.raises(Refused, match="module 'a'"):
        record_of(module)
