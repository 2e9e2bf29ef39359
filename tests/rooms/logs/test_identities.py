"""What is known of ids: from frames, in order, once or several times."""

from __future__ import annotations

from array import array
from pathlib import Path

from dxops.rooms.logs.identities import Identities, Known
from dxops.wire.logs.frame import LogFrame


def frame(*operations: tuple[str, str, bytes, int]) -> LogFrame:
    streams = tuple(dict.fromkeys(stream for stream, _, _, _ in operations))
    return LogFrame(
        indices=streams,
        times_ms=array("q", [0] * len(operations)),
        documents=[document for _, _, document, _ in operations],
        index_of=array("H", [streams.index(stream) for stream, _, _, _ in operations]),
        ids=[name for _, name, _, _ in operations],
        versions=array("I", [version for _, _, _, version in operations]),
    )


def test_the_newest_operation_counts(tmp_path: Path) -> None:
    identities = Identities(tmp_path / "ids")
    first = frame(("a", "1", b"{}", 1), ("b", "1", b"{}", 1), ("a", "1", b"{}", 2), ("a", "", b"{}", 1))
    identities.apply([(10, first)], 14)
    identities.apply([(14, frame(("b", "1", b"", 2)))], 15)
    wanted = [("a", "1"), ("b", "1"), ("c", "1"), ("a", "")]
    known = {("a", "1"): Known(12, 2, True), ("b", "1"): Known(14, 2, False)}
    assert identities.find(wanted) == known
    identities.apply([(10, first)], 14)
    assert (identities.find(wanted), identities.next_seq) == (known, 15)
    identities.close()
    again = Identities(tmp_path / "ids")
    assert (again.find(wanted), again.next_seq) == (known, 15)
    again.close()


def test_many_ids_and_forgetting(tmp_path: Path) -> None:
    identities = Identities(tmp_path / "ids")
    identities.apply([(0, frame(*(("a", f"{n}", b"{}", 1) for n in range(1500))))], 1500)
    assert len(identities.find([("a", f"{n}") for n in range(2000)])) == 1500
    assert identities.forget("a", 1000) == 1000
    assert identities.forget("unknown") == 0
    assert identities.forget("a") == 500
    identities.close()


def test_what_was_forgotten_does_not_come_back_with_a_frame_that_is_read_again(tmp_path: Path) -> None:
    identities = Identities(tmp_path / "ids")
    first, second = frame(("a", "1", b"{}", 1), ("b", "1", b"{}", 1)), frame(("a", "2", b"{}", 1))
    identities.apply([(0, first), (2, second)], 3)
    assert identities.forget("a", 2) == 1
    identities.apply([(3, frame(("a", "1", b"{}", 1)))], 4)  # the id is used again
    identities.close()
    identities = Identities(tmp_path / "ids")
    identities.apply([(0, first), (2, second)], 3)
    wanted = [("a", "1"), ("b", "1"), ("a", "2")]
    found = identities.find(wanted)
    assert [found[key].seq for key in wanted] == [3, 1, 2]
    assert identities.forget("a", 4, 2) == 2
    assert identities.forget("a") == 0
    identities.apply([(0, first), (2, second), (3, frame(("a", "1", b"{}", 1)))], 4)
    assert set(identities.find(wanted)) == {("b", "1")}
    identities.close()
