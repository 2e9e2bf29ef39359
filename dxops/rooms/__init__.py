"""Floor 2: one domain each. Rooms never import each other; they meet through `dxops.base.ports` or events."""
