"""Lengths."""

from units.length import Length

__all__ = ["Length"]
