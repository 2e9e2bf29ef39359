"""`[spool]` of `dxops.toml`, and the limits of a loader."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec


class SpoolConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How much the spool may hold and how long it makes senders wait before it refuses."""

    max_mb: int = 8192
    """Most that all streams together may keep on disk."""

    stream_max_mb: int = 0
    """Most that one stream may keep on disk; 0 is three quarters of `max_mb`."""

    min_free_mb: int = 2048
    """Disk space that is left to others; where 5 % of the disk is less than this, 5 % is."""

    memory_mb: int = 64
    """Most that may wait in memory to be written; as much again may be held while the spool is full."""

    tenant_share: float = 0.75
    """The part of memory and disk that one tenant alone may fill; it is throttled beyond, others are not."""

    hold_s: float = 8.0
    """How long a sender is held while there is no room, before it is refused; syslog-ng gives up after 10."""

    segment_mb: int = 64
    """Size at which the next segment file begins. Disk space comes back by whole segments."""

    segment_age_s: float = 3600.0
    """Age at which the next segment file begins."""

    frame_max_mb: int = 128
    """Most that one request may bring."""

    batch_mb: int = 16
    """Most that is written and synced in one go."""

    zstd_level: int = 0
    """Compress what is stored at this level (1 to 19); 0 stores it as it came."""

    def faults(self) -> Iterator[tuple[str, str]]:
        for key in ("max_mb", "memory_mb", "segment_mb", "frame_max_mb", "batch_mb"):
            if getattr(self, key) < 1:
                yield key, "must be at least 1"
        for key in ("stream_max_mb", "min_free_mb", "hold_s"):
            if getattr(self, key) < 0:
                yield key, "must not be negative"
        if not 0 < self.tenant_share <= 1:
            yield "tenant_share", "must be above 0 and at most 1"
        if self.segment_age_s <= 0:
            yield "segment_age_s", "must be above 0"
        if not 0 <= self.zstd_level <= 19:
            yield "zstd_level", "must be 0 to 19"
        if self.segment_mb * 4 > self.max_mb:
            yield "segment_mb", "must be at most a quarter of max_mb: space comes back by whole segments"
        if self.frame_max_mb > 1024:
            yield "frame_max_mb", "must be at most 1024"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """`SpoolConfig` in bytes and milliseconds, as the code wants it."""

    spool_bytes: int
    stream_bytes: int
    min_free_bytes: int
    memory_bytes: int
    tenant_share: float
    hold_s: float
    segment_bytes: int
    segment_age_ms: int
    frame_bytes: int
    batch_bytes: int
    zstd_level: int

    @classmethod
    def of(cls, config: SpoolConfig) -> Limits:
        mb = 1 << 20
        stream_mb = config.stream_max_mb or config.max_mb * 3 // 4
        return cls(
            spool_bytes=config.max_mb * mb,
            stream_bytes=stream_mb * mb,
            min_free_bytes=config.min_free_mb * mb,
            memory_bytes=config.memory_mb * mb,
            tenant_share=config.tenant_share,
            hold_s=config.hold_s,
            segment_bytes=min(config.segment_mb * mb, stream_mb * mb // 4),
            segment_age_ms=int(config.segment_age_s * 1000),
            frame_bytes=config.frame_max_mb * mb,
            batch_bytes=config.batch_mb * mb,
            zstd_level=config.zstd_level,
        )


class BatchLimits(msgspec.Struct, frozen=True, kw_only=True):
    """When a batch is full: at this many records or bytes, or when its oldest frame has waited this long."""

    records: int = 50_000
    size_bytes: int = 32 << 20
    age_s: float = 0.2
