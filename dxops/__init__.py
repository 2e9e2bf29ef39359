"""dxops: a whole operations guide as one running system. See README.md for the map of the house."""

__version__ = "0.1.0"
