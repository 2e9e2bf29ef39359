"""`python -m dxops.app`: the same as `dxops`, and what the supervisor starts roles with."""

from dxops.app.cli import main

main()
