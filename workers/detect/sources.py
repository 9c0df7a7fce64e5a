"""What a file's name says: its language, and whether its folder may decide anything."""

from __future__ import annotations

from collections.abc import Iterable

VENDORED = frozenset(
    [
        "node_modules",
        "bower_components",
        "jspm_packages",
        "vendor",
        "vendors",
        "third_party",
        "third-party",
        "thirdparty",
        "external",
        "extern",
        "deps",
        "_deps",
        "godeps",
        "pods",
        "carthage",
        ".venv",
        "venv",
        "env",
        "site-packages",
        "dist",
        "target",
        "obj",
        ".git",
        ".yarn",
        ".pnp",
        ".terraform",
        ".next",
        ".nuxt",
        ".gradle",
        ".idea",
        ".vscode",
        "__pycache__",
    ]
)
"""Folders of other people's or generated files."""

ASIDE = frozenset(
    [
        "doc",
        "docs",
        "documentation",
        "example",
        "examples",
        "sample",
        "samples",
        "demo",
        "demos",
        "fixture",
        "fixtures",
        "__fixtures__",
        "testdata",
        "test-data",
        "test_data",
        "__mocks__",
        "mocks",
        "snapshots",
        "__snapshots__",
        "benchmark",
        "benchmarks",
        "bench",
        "e2e",
        "playground",
        "playgrounds",
        "sandbox",
        "tutorial",
        "tutorials",
        "boilerplate",
        "scaffold",
        "scaffolds",
        ".github",
        ".gitlab",
        ".circleci",
        ".devcontainer",
        ".changeset",
        ".husky",
        "ci",
    ]
)
"""Folders that explain or prove the program but are not it."""

TESTS = frozenset(
    ["test", "tests", "spec", "specs", "__tests__", "integration-tests", "integration_tests", "it"]
)

EXTENSIONS: dict[str, str] = {
    **dict.fromkeys(("js", "jsx", "mjs", "cjs"), "javascript"),
    **dict.fromkeys(("ts", "tsx", "mts", "cts"), "typescript"),
    **dict.fromkeys(("vue", "svelte", "astro"), "typescript"),
    **dict.fromkeys(("py", "pyw", "pyx"), "python"),
    **dict.fromkeys(("kt", "kts"), "kotlin"),
    **dict.fromkeys(("scala", "sc"), "scala"),
    **dict.fromkeys(("clj", "cljs", "cljc", "edn"), "clojure"),
    **dict.fromkeys(("rb", "erb", "rake"), "ruby"),
    **dict.fromkeys(("ex", "exs", "eex", "heex"), "elixir"),
    **dict.fromkeys(("cc", "cpp", "cxx", "hpp", "hh", "hxx", "ipp"), "cpp"),
    **dict.fromkeys(("c", "h"), "c"),
    **dict.fromkeys(("hs", "lhs"), "haskell"),
    **dict.fromkeys(("pl", "pm", "t", "psgi"), "perl"),
    **dict.fromkeys(("sh", "bash", "zsh"), "shell"),
    **dict.fromkeys(("tf", "tofu"), "terraform"),
    **dict.fromkeys(("fs", "fsi", "fsx"), "fsharp"),
    **dict.fromkeys(("html", "htm"), "html"),
    **dict.fromkeys(("r", "rmd"), "r"),
    **dict.fromkeys(("erl", "hrl"), "erlang"),
    **dict.fromkeys(("ml", "mli"), "ocaml"),
    "go": "go",
    "java": "java",
    "groovy": "groovy",
    "php": "php",
    "rs": "rust",
    "cs": "csharp",
    "cshtml": "csharp",
    "razor": "csharp",
    "vb": "vb",
    "swift": "swift",
    "dart": "dart",
    "cr": "crystal",
    "zig": "zig",
    "gleam": "gleam",
    "jl": "julia",
    "lua": "lua",
    "nim": "nim",
    "hx": "haxe",
    "d": "d",
    "ipynb": "notebook",
    **dict.fromkeys(("cbl", "cob", "cpy"), "cobol"),
    **dict.fromkeys(("f", "f90", "f95", "f03", "for"), "fortran"),
    **dict.fromkeys(("pas", "dpr", "lpr"), "pascal"),
    **dict.fromkeys(("scm", "ss"), "scheme"),
    **dict.fromkeys(("lisp", "cl", "asd"), "commonlisp"),
    **dict.fromkeys(("ps1", "psm1"), "powershell"),
    **dict.fromkeys(("adb", "ads"), "ada"),
    **dict.fromkeys(("cu", "cuh"), "cpp"),
    "ino": "cpp",
    "m": "objective-c",
    "mm": "objective-c",
    "rkt": "racket",
    "elm": "elm",
    "purs": "purescript",
    "coffee": "coffeescript",
    "sol": "solidity",
    "pp": "puppet",
    "nix": "nix",
    "vala": "vala",
    "tcl": "tcl",
    "v": "v",
    "raku": "raku",
}
"""Language by lower-case file extension."""

LINGUIST: dict[str, str] = {
    ext: {
        "javascript": "JavaScript",
        "typescript": "TypeScript",
        "csharp": "C#",
        "fsharp": "F#",
        "cpp": "C++",
        "php": "PHP",
        "html": "HTML",
        "vb": "Visual Basic .NET",
        "terraform": "HCL",
        "notebook": "Jupyter Notebook",
        "ocaml": "OCaml",
    }.get(language, language.capitalize())
    for ext, language in {**EXTENSIONS, "css": "CSS", "scss": "SCSS", "vue": "Vue"}.items()
}
"""GitLab's name of a language by file extension."""

FROM_LINGUIST: dict[str, str] = {
    LINGUIST[ext]: language for ext, language in EXTENSIONS.items() if language != "typescript"
} | {"TypeScript": "typescript", "Vue": "typescript", "Svelte": "typescript", "Astro": "typescript"}


def extension(path: str) -> str:
    """The lower-case extension without its dot; empty for `Makefile` and `.gitignore`."""
    name = path.rpartition("/")[2].lstrip(".")
    return name.rpartition(".")[2].lower() if "." in name else ""


def is_aside(path: str) -> bool:
    """Whether a folder of `path` keeps it from deciding what the repository is."""
    return any(part.lower() in VENDORED or part.lower() in ASIDE for part in path.split("/")[:-1])


def is_test(path: str) -> bool:
    """Whether the file stands in a folder of tests."""
    return any(part.lower() in TESTS for part in path.split("/")[:-1])


def weigh(paths: Iterable[str]) -> dict[str, int]:
    """Number of source files by language; files aside do not count, tests only for want of others."""
    program: dict[str, int] = {}
    proof: dict[str, int] = {}
    for path in paths:
        language = EXTENSIONS.get(extension(path))
        if language is not None and not is_aside(path):
            counts = proof if is_test(path) else program
            counts[language] = counts.get(language, 0) + 1
    return program or proof
