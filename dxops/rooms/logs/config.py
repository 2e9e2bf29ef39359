"""`[logs]` of `dxops.toml`."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

REFUSE = "refuse"
DROP_OLDEST = "drop_oldest"


class LogsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How long documents are kept, what that costs, and what happens when the store's disk fills up. A setting for a
    stream (`/logs/retention` in the console) or an ILM policy goes before `keep_days` and `keep_gb`."""

    keep_days: int = 0
    """Days that documents are kept, whole days by UTC; 0 keeps them until a setting or a policy says otherwise."""

    keep_gb: float = 0.0
    """Size that one stream may have on the store's disk (1 GB is 1,000,000,000 bytes); its oldest days go beyond that.
    0 is no bound."""

    min_free_mb: int = 3072
    """Disk space that is left on the store's disk; where 6 % of the disk is less than this, 6 % is. Below it nothing is
    taken in: senders wait, then get 429 and send again later."""

    when_full: str = REFUSE
    """`refuse`, or `drop_oldest`: below `min_free_mb` the oldest days of all streams are deleted until there is room
    again. Today and yesterday always stay."""

    price_per_gb_month: float = 0.0
    """What a GB on your disk costs in a month; 0 shows sizes without money."""

    currency: str = "USD"
    """How the price is called: an ISO 4217 code."""

    def faults(self) -> Iterator[tuple[str, str]]:
        for key in ("keep_days", "keep_gb", "min_free_mb", "price_per_gb_month"):
            if getattr(self, key) < 0:
                yield key, "must not be negative"
        if self.keep_days > 36_500:
            yield "keep_days", "must be at most 36500"
        if self.when_full not in (REFUSE, DROP_OLDEST):
            yield "when_full", f"must be {REFUSE} or {DROP_OLDEST}"
        if not (len(self.currency) == 3 and self.currency.isascii() and self.currency.isupper()):
            yield "currency", "must be three capital letters, like USD"
