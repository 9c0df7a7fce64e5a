"""What a repository is: language, framework, tools, versions, commands, each with its evidence."""

from workers.detect.detector import detect
from workers.detect.local import LocalSource

__all__ = ["LocalSource", "detect"]
