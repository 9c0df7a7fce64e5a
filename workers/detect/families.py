"""Which languages' sources count for which ecosystem."""

from __future__ import annotations

from workers.detect.found import Folder, Found

FAMILIES: dict[str, tuple[str, ...]] = {
    "node": ("javascript", "typescript"),
    "deno": ("javascript", "typescript"),
    "java": ("java", "kotlin", "scala", "groovy", "clojure"),
    "python": ("python", "notebook"),
    "go": ("go",),
    "rust": ("rust",),
    "ruby": ("ruby",),
    "php": ("php",),
    "dotnet": ("csharp", "fsharp", "vb"),
    "elixir": ("elixir", "erlang"),
    "swift": ("swift", "objective-c"),
    "c": ("c", "cpp"),
    "cpp": ("c", "cpp"),
    "static": ("html",),
    "shell": ("shell",),
}
# Markup and glue stand in every repository: they count for nobody but their own.
GLUE = frozenset({"html", "shell", "terraform", "notebook"})
# What has no sources of its own, or none that are counted.
FLAT: dict[str, float] = {"ansible": 0.5, "helm": 0.5, "kubernetes": 0.4, "docker": 0.1}


def share(folder: Folder, found: Found) -> float:
    """The part of the folder's sources that belongs to what was found, 0 to 1."""
    if found.ecosystem in FLAT:
        return FLAT[found.ecosystem]
    own = FAMILIES.get(found.ecosystem, (found.language,))
    if "extension" in found.facts:
        own += ("c", "cpp")
    counts = folder.sources
    # what C builds by make alone is often only the helper of a program of scripts
    glue = GLUE - {"shell"} if found.ecosystem in ("c", "cpp") else GLUE
    total = sum(n for language, n in counts.items() if language not in glue or language in own)
    return sum(counts.get(language, 0) for language in own) / total if total else 0.0
