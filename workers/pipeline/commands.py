"""The grammar of commands that a repository or a model may put into a pipeline.

A command is one program with plain arguments: no shell syntax, no quotes, no variables, no
addresses. The program and its first words must match a form that the ecosystem knows, and no
argument may hand the program code, another configuration or another source of packages. What a
template writes itself is not judged here (see `policy`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_ARGUMENT = re.compile(r"[A-Za-z0-9_./:=,@%+*~-]+")
_SCRIPT = r"[A-Za-z0-9][A-Za-z0-9:._-]*"
_FILE = r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*"

_FORBIDDEN_ARGUMENTS = re.compile(
    # code as an argument
    r"-(?:c|e|exec|toolexec|vettool|overlay|modfile|ldflags|gcflags|pdb|p|r|I|D?javaagent)(?:=.*)?"
    r"|--(?:eval|exec|print|require|import|loader|init-script|include-build|project-cache-dir"
    r"|settings|global-settings|config-settings|rcfile|script-shell|shell|node-options)(?:=.*)?"
    # another source of packages, or a place to send things
    r"|--(?:index-url|extra-index-url|find-links|trusted-host|registry|source|proxy|publish"
    r"|repository|repo|userconfig|globalconfig)(?:=.*)?"
    r"|-D(?:exec|maven\.(?:repo|ext)|settings|altDeploymentRepository|org\.gradle\.jvmargs).*"
    r"|-P(?:publish|init).*"
)
"""Judged argument by argument, by full match."""

_FORBIDDEN_WORDS = re.compile(
    r"(?:^|[/.:=_-])(?:eval|base64|printenv|curl|wget|nc|ncat|socat|ssh|scp|sudo|deploy|publish|release)"
    r"(?:$|[/.:=_-])",
    re.IGNORECASE,
)

# Matched whole: make takes `SHELL=…` and `--eval` as arguments, so targets are all it gets.
_COMMON = (
    rf"make(?: -j[0-9]*)?(?: {_SCRIPT})*",
    rf"just {_SCRIPT}",
    rf"task {_SCRIPT}",
    rf"\./{_FILE}\.sh",
)

_PYTHON_MODULES = "pytest|unittest|compileall|build|tox|nox|mypy|ruff|flake8|pylint|pyflakes"
_PYTHON_TOOLS = (
    rf"(?:pytest|tox|nox|mypy|ruff (?:check|format)|flake8|pylint|python3? -m (?:{_PYTHON_MODULES})"
    r"|python3? (?:[a-z_]+/)?manage\.py (?:test|check)|coverage run -m (?:pytest|unittest))"
)

_MAVEN = (
    r"(?:mvn|\./mvnw)(?: (?:clean|validate|compile|test-compile|test|package|verify)"
    r"| -(?:B|q|ntp|U|am|DskipTests)| --batch-mode| --no-transfer-progress| -pl [\w:,./-]+"
    r"| -P[\w,-]+| -D(?!maven\.(?:ext|repo)|exec|settings|alt)[\w.]+=[\w.,-]+)+"
)
_GRADLE = (
    r"(?:gradle|\./gradlew)(?: :?(?:[A-Za-z][A-Za-z0-9-]*:)*(?:clean|assemble|build|check|test|jar"
    r"|bootJar|classes|testClasses|installDist|shadowJar|lint)| --no-daemon| --stacktrace"
    r"| --console=plain| --info| -x [A-Za-z]+)+"
)
_DOTNET = (
    r"dotnet (?:build|test)(?: (?:-c|--configuration) (?:Release|Debug)| --no-build| --no-restore"
    r"| [A-Za-z0-9_./-]+\.(?:sln|slnx|csproj|fsproj))*"
)
_WORKSPACE_TOOLS = (
    r"(?:npx --no-install |pnpm exec |yarn exec )?(?:turbo run|nx run-many -t|lerna run)"
)

# pnpm and yarn run a script by its bare name, unless they know the word themselves.
_NOT_BUILT_IN = (
    r"(?!(?:add|audit|bin|bump|cache|config|create|dedupe|deploy|dlx|doctor|env|exec|fetch|import"
    r"|info|init|install|i|link|list|login|logout|node|npm|outdated|owner|pack|patch|plugin|policies"
    r"|prune|publish|rebuild|remove|rm|root|self-update|server|set|setup|store|tag|team|unlink|up"
    r"|update|upgrade|upgrade-interactive|version|versions|why|workspace|workspaces)(?: |$))"
)

FORMS: Mapping[str, tuple[str, ...]] = {
    "go": (r"go (?:build|test|vet)", r"gotestsum", r"golangci-lint run", r"mage [A-Za-z]+"),
    "python": (
        _PYTHON_TOOLS,
        rf"(?:poetry|uv|pdm|pipenv|hatch) run {_PYTHON_TOOLS}",
        r"(?:uv|poetry|pdm|hatch) build",
        r"hatch (?:test|fmt --check)",
    ),
    "node": (
        rf"npm (?:test|start|ci|run(?:-script)? {_SCRIPT})(?: --workspaces| --if-present)*",
        rf"pnpm (?:-r |--recursive )?(?:run {_SCRIPT}|{_NOT_BUILT_IN}{_SCRIPT})",
        rf"yarn (?:run {_SCRIPT}|{_NOT_BUILT_IN}{_SCRIPT})",
        rf"bun (?:test|run {_SCRIPT})",
        r"node --test",
        rf"{_WORKSPACE_TOOLS} {_SCRIPT}",
    ),
    "ruby": (
        r"(?:bundle exec )?(?:rake(?: (?:test|spec|[a-z]+:[a-z]+))*|rspec|rubocop|minitest)",
        r"(?:bundle exec )?(?:bin/)?rails (?:test|test:all)",
        r"bin/(?:rails test|rake test|rspec|rubocop)",
    ),
    "php": (
        rf"composer (?:test|run(?:-script)? {_SCRIPT})",
        r"(?:php )?(?:\./)?vendor/bin/(?:phpunit|pest|phpstan analyse|psalm|phpcs)",
        r"php artisan test",
        r"(?:php )?bin/phpunit",
    ),
    "rust": (r"cargo (?:build|test|check|clippy|fmt --check|nextest run|xtask [a-z-]+)",),
    "elixir": (r"mix (?:compile|test|format --check-formatted|credo|dialyzer)",),
    "cpp": (
        r"cmake (?:-S|-B|--build|--preset) ?[A-Za-z0-9._/-]*",
        r"ctest",
        r"meson (?:setup|compile|test)",
        r"ninja(?: -C [A-Za-z0-9._/-]+)?",
    ),
    "swift": (r"swift (?:build|test)",),
    "dart": (r"(?:dart|flutter) (?:test|analyze|format --set-exit-if-changed|build [a-z]+)",),
}
"""First words that a command may have, as regular expressions, by ecosystem."""

WHOLE: Mapping[str, tuple[str, ...]] = {
    "java": (_MAVEN, _GRADLE, r"sbt(?: -v)?(?: (?:clean|compile|test|package))+"),
    "dotnet": (_DOTNET, r"dotnet format --verify-no-changes"),
}
"""Whole commands of tools whose further words are goals, or whose flags mean other things."""


def refusal(command: str, ecosystem: str | None) -> str | None:
    """Why `command` may not be run, or None when it may. Deny by default."""
    if command != " ".join(command.split(" ")) or command.strip() != command or not command:
        return "is empty or has blanks at its ends"
    if any(re.fullmatch(form, command) for form in WHOLE.get(ecosystem or "", ())):
        return None if ".." not in re.split(r"[/= ]", command) else "leaves the project's folder"
    words = command.split(" ")
    for word in words:
        if not _ARGUMENT.fullmatch(word):
            return "holds shell syntax, quotes, variables or characters outside plain ASCII"
        if "://" in word or ".." in re.split(r"[/=]", word):
            return "holds an address or leaves the project's folder"
        if not word.startswith("-") and _FORBIDDEN_WORDS.search(word):
            return "holds a word that publishes, deploys or reaches out"
    for word in words[1:]:
        if _FORBIDDEN_ARGUMENTS.fullmatch(word) and not _recursive(words, word):
            return "hands its program code, a configuration or a source of packages"
    if any(re.fullmatch(form, command) for form in _COMMON):
        return None
    forms = FORMS.get(ecosystem or "", ())
    if any(re.fullmatch(f"(?:{form})(?: .+)?", command) for form in forms):
        return None
    return "is no command that this ecosystem is known to use"


def _recursive(words: list[str], word: str) -> bool:
    """`pnpm -r` means every package; elsewhere `-r` loads code."""
    return word == "-r" and words[:2] == ["pnpm", "-r"]
