"""Content: UnixFS trees as content-addressed blocks, pins, CAR files, the Kubo RPC and the IPFS gateways (IPFS).

Called by `delivery` and `origin` through the port `Content`, by IPFS clients over HTTP, by `dxops add|cat|car`.
Keeps blocks in `engines/blocks`; pins and import records in PostgreSQL, schema `content`.
"""
