"""An Elasticsearch address for tests: keeps what `_bulk` brings, and misbehaves on demand."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Item = Callable[[dict[str, Any]], int]


class BulkServer:
    """`statuses`: answers of the next requests, before those that succeed. `item`: the status of one document.
    `forgets_answer`: of the next requests, stored, but the connection is closed without an answer."""

    def __init__(self) -> None:
        self.documents: list[dict[str, Any]] = []
        self.ids: set[str] = set()
        self.streams: set[str] = set()
        self.statuses: list[int] = []
        self.forgets_answer = 0
        self.requests = 0
        self.authorizations: set[str | None] = set()
        self.item: Item = lambda document: 201
        self.gate = threading.Event()
        self.gate.set()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None: ...

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                server.gate.wait(30)
                server.answer(self, body)

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> None:
        self.requests += 1
        self.authorizations.add(handler.headers.get("authorization"))
        if self.statuses:
            self._send(handler, self.statuses.pop(0), b'{"error":"scripted"}')
            return
        lines = gzip.decompress(body).splitlines()
        items = []
        for action, source in zip(lines[::2], lines[1::2], strict=True):
            (operation, about), document = next(iter(json.loads(action).items())), json.loads(source)
            known = about.get("_id") in self.ids
            status = 409 if known else self.item(document)
            if status == 201:
                self.documents.append(document)
                self.ids |= {about["_id"]} if "_id" in about else set()
                self.streams.add(about["_index"])
            items.append({operation: {"status": status, **({} if status < 300 else {"error": {"reason": "no"}})}})
        if self.forgets_answer:
            self.forgets_answer -= 1
            handler.close_connection = True
            return
        self._send(handler, 200, json.dumps({"took": 1, "errors": False, "items": items}).encode())

    def _send(self, handler: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
        handler.send_response(status)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    @property
    def messages(self) -> list[str]:
        return [document["message"] for document in self.documents]

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
