"""The commands of `dxops`, one module per group; each has `register(root)`. `dxops.app.cli` joins them."""
