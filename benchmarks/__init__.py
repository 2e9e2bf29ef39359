"""Benchmarks: each module has `run() -> list[dict]`; `python -m benchmarks` prints all beside their peers."""
