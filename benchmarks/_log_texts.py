"""What the services of `realistic_logs` say. Texts are as they stand inside a JSON string."""

from __future__ import annotations

APPS = ("composer", "docs", "tasks", "devtools", "kai", "todomvc", "blog")

SERVICES = (
    ("api", "2.41.0", 6), ("sync", "1.18.3", 8), ("signal", "0.9.12", 4), ("publisher", "3.2.1", 2),
    ("registry", "1.7.0", 2), ("billing", "5.0.4", 2), ("mailer", "1.2.2", 1), ("search", "4.1.0", 3),
)  # fmt: skip

PATHS = (
    "/", "/assets/index-4f2a9c1b.js", "/assets/vendor-91be03d7.js", "/assets/index-0c77d2aa.css", "/favicon.ico",
    "/api/v1/spaces/{}", "/api/v1/spaces/{}/items", "/manifest.webmanifest", "/sw.js", "/api/v1/session",
    "/api/v1/spaces/{}/members", "/assets/fonts/inter-400.woff2", "/assets/fonts/inter-600.woff2",
    "/api/v1/search?q={}", "/api/v1/documents/{}/revisions/7", "/images/hero-{}.webp", "/api/v1/health", "/robots.txt",
    "/docs/guide/echo", "/docs/guide/halo", "/api/v1/billing/invoices/{}", "/.well-known/dx/config",
    "/wp-login.php", "/api/v2/rpc/{}",
)  # fmt: skip

AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "curl/8.11.0",
    "kube-probe/1.31",
)

LINES = (
    "space {thing} opened by {user} with {number} objects in {ms:.1f} ms",
    "replicated {number} mutations of space {thing} to peer {user} in {ms:.2f} ms",
    "cache miss for key session:{user}, loaded from the database in {ms:.1f} ms",
    "request handled after {number} database rows, cache warm, upstream {thing} answered in {ms:.1f} ms",
    "peer {user} joined swarm {thing}, now {number} peers",
    "peer {user} left swarm {thing} after {ms:.0f} s: transport closed",
    "job send-invitation {thing} finished in {ms:.1f} ms, {number} left in queue default",
    "slow query: SELECT * FROM objects WHERE space_id = $1 AND kind = $2 ORDER BY updated_at took {ms:.1f} ms",
    "token of {user} refreshed, expires in {number} minutes",
    "indexed {number} documents of space {thing}, {ms:.1f} ms, segment flushed",
    "retrying upload of block bafk{thing} to the store, attempt {number}, last error: connection reset by peer",
    "rate limit of {user} reached: {number} requests in the last minute, answered 429",
    "published package @dxos/echo-{thing} with {number} files in {ms:.1f} ms",
    "garbage collection freed {number} MB in {ms:.1f} ms",
    "health check of shard {thing} ok, lag {ms:.1f} ms, {number} connections open",
    "invoice {thing} for {user} charged, {number} line items, provider answered in {ms:.1f} ms",
    "websocket of {user} upgraded, {number} subscriptions restored from snapshot {thing}",
    "certificate for host {thing}.dxos.example renewed, valid for {number} days",
)

_PYTHON = (
    "\\nTraceback (most recent call last):\\n"
    '  File \\"/srv/app/worker/run.py\\", line 211, in handle\\n    await self.process(message)\\n'
    '  File \\"/srv/app/worker/process.py\\", line 88, in process\\n    rows = await self.store.load(space, kind)\\n'
    '  File \\"/srv/app/store/sql.py\\", line 142, in load\\n    return await connection.fetch(QUERY, space, kind)\\n'
    '  File \\"/usr/lib/python3.12/asyncio/timeouts.py\\", line 115, in __aexit__\\n    raise TimeoutError from exc_val'
)
_NODE = (
    "\\n    at Space.open (/srv/app/dist/echo/space.js:418:13)"
    "\\n    at async SpaceManager._load (/srv/app/dist/echo/space-manager.js:97:22)"
    "\\n    at async Promise.all (index 3)"
    "\\n    at async Service.start (/srv/app/dist/service.js:61:5)"
    "\\n    at async /srv/app/dist/main.js:24:3"
    "\\n    at process.processTicksAndRejections (node:internal/process/task_queues:105:5)"
)
_JAVA = (
    "\\n\\tat com.example.billing.Charge.send(Charge.java:211)"
    "\\n\\tat com.example.billing.Worker.run(Worker.java:87)"
    "\\n\\tat java.base/java.util.concurrent.ThreadPoolExecutor.runWorker(ThreadPoolExecutor.java:1144)"
    "\\n\\tat java.base/java.lang.Thread.run(Thread.java:1583)"
    "\\nCaused by: java.net.SocketTimeoutException: Read timed out"
    "\\n\\tat java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:278)\\n\\t... 14 more"
)

ERRORS = (
    ("TimeoutError", "loading space {thing} timed out after {number} ms", _PYTHON),
    ("KeyError", "unknown object {thing} in message {number}", _PYTHON),
    ("TypeError", "Cannot read properties of undefined (reading 'spaceKey{thing}')", _NODE),
    ("InvariantViolation", "epoch {number} of feed {thing} is older than the snapshot", _NODE),
    ("com.example.billing.ChargeFailed", "provider refused charge {thing}: code {number}", _JAVA),
)
