"""The schema's steps: `NNNN_name.py` with `STEPS`, a tuple of `ddl.Step`. Numbers count from 0001 without a gap."""
