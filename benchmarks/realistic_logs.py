"""Logs as a fleet of services writes them: for benchmarks, demonstrations and screenshots. The same for the same seed.

Two thirds are access lines. What a request caused shares its trace id: its access line, then often lines of the service
behind it, seldom an error with its stack. Documents are about 455 bytes of JSON in the fields of ECS; names, paths and
clients are as unequal as in life (few are most of the traffic), durations are log-normal.

    for stream, document in RealisticLogs(seed=7).lines(10_000, start_ms=…, end_ms=…): …
    for body, count in RealisticLogs().bodies(1_000_000, start_ms=…, end_ms=…, batch=2500): …     # of `_bulk`
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from benchmarks._log_texts import AGENTS, APPS, ERRORS, LINES, PATHS, SERVICES

_POOL = 4096
_HEX = [f"{number:04x}" for number in range(65536)]
_METHODS = ("GET",) * 13 + ("POST",) * 2 + ("PUT",)
_STATUSES = ("200",) * 40 + ("304",) * 10 + ("204",) * 4 + ("404",) * 4 + ("301", "302", "401", "403", "499", "500")
_LEVELS = ("info",) * 8 + ("debug",) * 6 + ("warn",) * 2
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NETS = tuple(f"{first}.{second}" for first in (81, 92, 188, 203) for second in range(24))
_EDGES = ("edge-01", "edge-02", "edge-03")

ACCESS_STREAM = "logs-edge.access-production"
NGINX_STREAM = "logs-nginx.access-production"
APP_STREAM = "logs-app-production"
STREAMS = (ACCESS_STREAM, NGINX_STREAM, APP_STREAM)


class RealisticLogs:
    """Makes documents, some 10 µs each. Draws from pools that are made once: not for statistics, but for load."""

    def __init__(self, seed: int = 1) -> None:
        chance = random.Random(seed)
        self._chance = chance
        self._offset = 0
        self._paths = [_skewed(chance, PATHS) for _ in range(_POOL)]
        self._agents = [_skewed(chance, AGENTS) for _ in range(_POOL)]
        self._clients = [
            f"{chance.choice(_NETS)}.{chance.randrange(256)}.{chance.randrange(256)}" for _ in range(_POOL)
        ]
        self._durations_us = [int(chance.lognormvariate(8.3, 1.3)) for _ in range(_POOL)]
        self._sizes = [int(chance.lognormvariate(8.6, 1.6)) for _ in range(_POOL)]
        self._users = [f"u-{chance.randrange(1 << 24):06x}" for _ in range(_POOL)]

    def lines(self, count: int, *, start_ms: int, end_ms: int) -> Iterator[tuple[str, bytes]]:
        """(data stream, document) in order of time, evenly from `start_ms` to before `end_ms`."""
        bits = self._chance.getrandbits
        step = (end_ms - start_ms) / count
        trace = self._trace()
        second, head = -1, ""
        for number in range(count):
            time_ms = start_ms + int(number * step)
            if time_ms // 1000 != second:
                second = time_ms // 1000
                head = _clock(second)
            at = f"{head}{time_ms % 1000:03d}Z"
            draw = bits(64)
            kind = draw & 1023
            draw >>= 10
            if kind < 683:
                trace = self._trace()
                yield (ACCESS_STREAM, self._access(at, draw, trace)) if kind < 400 else (
                    NGINX_STREAM, self._nginx(at, draw, trace))  # fmt: skip
            elif kind < 1000:
                yield APP_STREAM, self._app(at, draw, trace)
            else:
                yield APP_STREAM, self._error(at, draw, trace)

    def bodies(
        self, count: int, *, start_ms: int, end_ms: int, batch: int, stream: str = ""
    ) -> Iterator[tuple[bytes, int]]:
        """Bodies of `_bulk` with `create` actions, and how many documents each has. All into one stream if named."""
        heads = {name: f'{{"create":{{"_index":"{stream or name}"}}}}\n'.encode() for name in STREAMS}
        parts: list[bytes] = []
        for name, document in self.lines(count, start_ms=start_ms, end_ms=end_ms):
            parts += (heads[name], document, b"\n")
            if len(parts) == 3 * batch:
                yield b"".join(parts), batch
                parts.clear()
        if parts:
            yield b"".join(parts), len(parts) // 3

    def _trace(self) -> str:
        draw = self._chance.getrandbits(128)
        return "".join([_HEX[draw >> shift & 65535] for shift in range(0, 128, 16)])

    def _request(self, draw: int) -> tuple[str, str, str, int, int, str, str]:
        path = self._paths[draw & 4095]
        if "{" in path:
            path = path.replace("{}", _HEX[draw >> 12 & 65535])
        return (
            _METHODS[draw & 15],
            path,
            _STATUSES[(draw >> 4) * 7 & 63],
            self._durations_us[draw >> 16 & 4095],
            self._sizes[draw >> 20 & 4095],
            self._clients[draw >> 28 & 4095],
            self._agents[draw >> 36 & 4095],
        )

    def _access(self, at: str, draw: int, trace: str) -> bytes:
        """What an edge with structured logs writes."""
        method, path, status, duration_us, size, client, _ = self._request(draw)
        app = APPS[(draw >> 40) % 7]
        level = "error" if status == "500" else "warn" if status[0] == "4" else "info"
        return (
            f'{{"@timestamp":"{at}","log":{{"level":"{level}"}},'
            f'"message":"{method} {app}.dxos.example{path} {status} {duration_us / 1000:.1f} ms",'
            f'"service":{{"name":"edge","version":"1.9","environment":"production"}},'
            f'"host":{{"name":"{_EDGES[(draw >> 44) % 3]}"}},'
            f'"http":{{"request":{{"method":"{method}"}},"response":{{"status_code":{status},'
            f'"body":{{"bytes":{size}}}}}}},"url":{{"domain":"{app}.dxos.example","path":"{path}"}},'
            f'"client":{{"ip":"{client}"}},"event":{{"duration":{duration_us}000}},"trace":{{"id":"{trace}"}}}}'
        ).encode()

    def _nginx(self, at: str, draw: int, trace: str) -> bytes:
        """What a shipper makes of a line in combined format."""
        method, path, status, _, size, client, agent = self._request(draw)
        clock = f"{at[8:10]}/{_MONTHS[int(at[5:7]) - 1]}/{at[:4]}:{at[11:19]} +0000"
        self._offset += 200 + len(path)
        return (
            f'{{"@timestamp":"{at}","message":"{client} - - [{clock}] \\"{method} {path} HTTP/1.1\\" {status} {size} '
            f'\\"-\\" \\"{agent}\\" {trace}","event":{{"dataset":"nginx.access"}},'
            f'"host":{{"name":"web-{draw >> 44 & 7}"}},'
            f'"log":{{"file":{{"path":"/var/log/nginx/access.log"}},"offset":{self._offset}}},'
            f'"service":{{"name":"nginx","environment":"production"}}}}'
        ).encode()

    def _app(self, at: str, draw: int, trace: str) -> bytes:
        service, version, hosts = SERVICES[(draw >> 40) % len(SERVICES)]
        host = (draw >> 30) % hosts
        level = _LEVELS[draw >> 28 & 15]
        user = self._users[draw >> 8 & 4095]
        text = LINES[draw % len(LINES)].format(
            user=user,
            thing=_HEX[draw >> 12 & 65535],
            number=draw >> 18 & 1023,
            ms=self._durations_us[draw >> 16 & 4095] / 1000,
        )
        return (
            f'{{"@timestamp":"{at}","log":{{"level":"{level}","logger":"{service}.{text[:4].strip()}"}},'
            f'"message":"{text}","service":{{"name":"{service}","version":"{version}","environment":"production"}},'
            f'"host":{{"name":"{service}-{host}"}},"process":{{"pid":{1000 + host * 7}}},"user":{{"id":"{user}"}},'
            f'"trace":{{"id":"{trace}"}}}}'
        ).encode()

    def _error(self, at: str, draw: int, trace: str) -> bytes:
        service, version, hosts = SERVICES[(draw >> 40) % len(SERVICES)]
        kind, text, stack = ERRORS[draw % len(ERRORS)]
        text = text.format(thing=_HEX[draw >> 12 & 65535], number=draw >> 18 & 1023)
        return (
            f'{{"@timestamp":"{at}","log":{{"level":"error","logger":"{service}.worker"}},"message":"{text}",'
            f'"error":{{"type":"{kind}","message":"{text}","stack_trace":"{kind}: {text}{stack}"}},'
            f'"service":{{"name":"{service}","version":"{version}","environment":"production"}},'
            f'"host":{{"name":"{service}-{(draw >> 30) % hosts}"}},"trace":{{"id":"{trace}"}}}}'
        ).encode()


def _skewed(chance: random.Random, values: tuple[str, ...]) -> str:
    return values[min(int(chance.expovariate(1) * len(values) / 4), len(values) - 1)]


def _clock(second: int) -> str:
    """`2026-01-01T00:00:00.`"""
    return time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
