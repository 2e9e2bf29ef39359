"""Floor 1: the real engines, and how to start, reach and migrate them. Knows no room."""
