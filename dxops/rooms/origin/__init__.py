"""Origin: turns a released tree into something servable, and serves it by `Host` (the web server of KUBE).

`delivery` calls it through the port `Preparer` at release; browsers and the edge reach its listener.
Keeps manifests and compressed variants in the block store, hot responses in memory; no tables.
"""
