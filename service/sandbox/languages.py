"""GitLab's language shares, by file extension and bytes."""

from __future__ import annotations

from service.sandbox.repository import Files

NAMES = {
    "go": "Go",
    "py": "Python",
    "js": "JavaScript",
    "mjs": "JavaScript",
    "cjs": "JavaScript",
    "jsx": "JavaScript",
    "ts": "TypeScript",
    "tsx": "TypeScript",
    "java": "Java",
    "kt": "Kotlin",
    "kts": "Kotlin",
    "scala": "Scala",
    "clj": "Clojure",
    "groovy": "Groovy",
    "rb": "Ruby",
    "php": "PHP",
    "rs": "Rust",
    "cs": "C#",
    "fs": "F#",
    "ex": "Elixir",
    "exs": "Elixir",
    "swift": "Swift",
    "dart": "Dart",
    "c": "C",
    "h": "C",
    "cc": "C++",
    "cpp": "C++",
    "hpp": "C++",
    "sh": "Shell",
    "html": "HTML",
    "css": "CSS",
    "vue": "Vue",
}
FILES = {"Dockerfile": "Dockerfile", "Makefile": "Makefile"}


def shares(files: Files) -> dict[str, float]:
    """Per cent of the bytes in each language, two decimals, biggest first."""
    sizes: dict[str, int] = {}
    for path, blob in files.items():
        name = path.rpartition("/")[2]
        language = FILES.get(name) or NAMES.get(name.rpartition(".")[2].lower())
        if language is not None:
            sizes[language] = sizes.get(language, 0) + len(blob.content)
    total = sum(sizes.values())
    ordered = sorted(sizes.items(), key=lambda item: -item[1])
    return {name: round(100 * size / total, 2) for name, size in ordered if total}
