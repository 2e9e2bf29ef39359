"""The explorer's use cases, for whoever acts: the API, the console, the command line behind it."""

from __future__ import annotations

from dxops.base.actors import Actor
from dxops.base.clock import Clock
from dxops.rooms.logs.completing import Completer
from dxops.rooms.logs.explorer import Explorer
from dxops.rooms.logs.model import Rows, Selection
from dxops.rooms.logs.question import Question, read_query, read_window
from dxops.rooms.logs.reach import Reach, Registry
from dxops.rooms.logs.tailing import Tail, Tails
from dxops.rooms.logs.times import Times, times_at
from dxops.wire import query_tree as tree
from dxops.wire.elastic.auto_ids import AutoIds


class Logs:
    """`id_key` makes the ids of documents that have none of their own, as on port 9200."""

    def __init__(self, store: Rows, id_key: bytes, clock: Clock, registry: Registry | None = None) -> None:
        self._ids = AutoIds(id_key)
        self._clock = clock
        self.explorer = Explorer(store, self._times, self._ids.id_of)
        self.reach = Reach(store, clock, registry)
        self.tails = Tails(self.explorer)
        self.completer = Completer(self.explorer)

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        return int(self._clock.now().timestamp() * 1000)

    async def selection(self, actor: Actor, question: Question) -> Selection:
        """What a request asks for, as far as the actor may see it. Raises `Forbidden`, `Refused`, `Unreadable`."""
        window = read_window(question, self.now_ms())
        query = read_query(question, self._times())
        streams = await self.reach.streams(actor, question.streams)
        return Selection(query=query, window=window, streams=streams, hides_dead=await self.explorer.has_dead())

    def tail(self, actor: Actor, question: Question, *, after_seq: int | None, whole: bool) -> Tail:
        """A live tail of the question without its time range. Raises as `selection`, and `Throttled`."""
        query = read_query(question, self._times())

        async def selecting() -> Selection:
            arriving = await self.reach.arriving(actor, question.streams)
            return Selection(query=tree.both([query, arriving]), hides_dead=await self.explorer.has_dead())

        return self.tails.begin(selecting, owner=actor.id, after_seq=after_seq, whole=whole)

    def _times(self) -> Times:
        return times_at(self.now_ms(), self._ids.seq_of)
