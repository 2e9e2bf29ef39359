"""Blocks by the hash of their bytes: `port.BlockStore`, kept in files (`files`) or in memory (`memory`).

Called by the rooms `content` and whoever stores through it. A block is keyed by its multihash, so one copy serves every
CID of the same bytes. Several processes use one store at once. A bucket of an S3-compatible service would be a third
implementation of the port; nothing outside this folder knows where blocks are, but for `path`, which may be None.
"""
