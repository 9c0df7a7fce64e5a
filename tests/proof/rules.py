"""What a job's lines need that a machine may not have, and what is run in their place.

A rule counts only where its host cannot be reached; each use of one is reported with its reason.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from functools import cache
from typing import Literal

import httpx
import msgspec

Loses = Literal["coverage", "junit", ""]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """`pattern` in one script entry is replaced by `by`; None leaves the whole entry out."""

    pattern: str
    by: str | None
    why: str
    host: str = ""
    """The rule counts where this host does not answer; "" counts always."""
    tool: str = ""
    """The rule counts where this program is on the machine."""
    loses: Loses = ""
    """The report that the job cannot write then."""


GO_PROXY = "proxy.golang.org"
CENTRAL = "repo.maven.apache.org"
DEBIAN_MAVEN = "/usr/share/maven-repo"
DEBIAN_FORMATTER = "/usr/share/rubygems-integration/all/gems/rspec_junit_formatter-0.4.1/lib"
PYPI_JSON = "pypi.org/pypi/poetry/2.1.4/json"

RULES = (
    Rule(
        pattern=r"go run gotest\.tools/gotestsum@\S+", by="gotestsum", host=GO_PROXY,
        tool="gotestsum", why="Debian's gotestsum for the module",
    ),
    Rule(
        pattern=r"^go run github\.com/boumenot/gocover-cobertura@", by=None, host=GO_PROXY,
        loses="coverage", why="the converter to Cobertura is a Go module",
    ),
    Rule(
        pattern=r"^go (run|install) \S+@v", by=None, host=GO_PROXY,
        why="a tool that is a Go module",
    ),
    Rule(
        pattern=r"org\.jacoco:jacoco-maven-plugin:\S+", by="", host=CENTRAL,
        loses="coverage", why="JaCoCo's plugin is on Maven Central",
    ),
    Rule(
        pattern=r"com\.github\.spotbugs:", by=None, host=CENTRAL,
        why="SpotBugs' plugin is on Maven Central",
    ),
    Rule(
        pattern=r"^mvn ", by=f"mvn -o -Dmaven.repo.local={DEBIAN_MAVEN} ", host=CENTRAL,
        tool="mvn", why="Debian's Maven repository for Maven Central",
    ),
    Rule(
        pattern=r"^pip install ('poetry\S+')$", host=PYPI_JSON,
        by=r"pip install \1 poetry-plugin-pypi-mirror && "
        "export POETRY_PYPI_MIRROR_URL=https://pypi.org/simple/",
        why="this machine's mirror of PyPI has the simple index only",
    ),
    Rule(
        pattern=r"^bundle install$", host="rubygems.org",
        by="unset BUNDLE_PATH && bundle install --local", why="Debian's gems for those of RubyGems",
    ),
    Rule(
        pattern=r"^gem install rspec_junit_formatter ", by=None, host="rubygems.org",
        why="Debian's formatter for RubyGems'",
    ),
    Rule(
        pattern=r"^gem install rspec:\S+ ", by=None, host="rubygems.org", tool="rspec",
        why="Debian's RSpec and formatter for RubyGems'",
    ),
    Rule(
        pattern=r"^RUBYLIB=\.gems/gems/rspec_junit_formatter-0\.6\.0/lib", host="rubygems.org",
        by=f"RUBYLIB={DEBIAN_FORMATTER}", why="Debian's formatter for RubyGems'",
    ),
    Rule(
        pattern=r"^composer install .*$", host="repo.packagist.org", tool="phpunit",
        by="composer dump-autoload --no-interaction && mkdir -p vendor/bin && "
        "ln -s /usr/bin/phpunit vendor/bin/phpunit",
        why="Debian's PHPUnit for Packagist's",
    ),
    Rule(
        pattern=r"^mix local\.(hex|rebar) --force$", by=None, host="repo.hex.pm",
        why="no dependency needs Hex",
    ),
    Rule(pattern=r"^cpanm ", by=None, host="cpan.metacpan.org", why="no package of CPAN is needed"),
    Rule(
        pattern=r"(?s)^Rscript .*(install\.packages|install_deps)\(", by=None,
        host="cloud.r-project.org", why="Debian's packages of R for CRAN's",
    ),
    Rule(pattern=r"^shards install$", by=None, tool="crystal", why="no shard is needed"),
    Rule(
        pattern=r"^lein ", host=CENTRAL, tool="lein",
        by="lein -o with-profile -base,-user,-dev,-system "
        f"update-in : assoc :local-repo '\"{DEBIAN_MAVEN}\"' -- ",
        why="Debian's Maven repository for Maven Central and Clojars",
    ),
    Rule(
        pattern=r"(?s)^opam install .*", by=None, host="opam.ocaml.org", tool="dune",
        why="no package of opam is needed",
    ),
    # this machine's job stands below the program, whose own dune-project dune would take
    Rule(
        pattern=r"^opam exec -- dune (\w+)", by=r"dune \1 --root .", host="opam.ocaml.org",
        why="Debian's dune for opam's",
    ),
    Rule(
        pattern=r"^nimble install ", by=None, host="nim-lang.org", tool="nimble",
        why="no package of Nim is needed",
    ),
    Rule(
        pattern=r"^rustup component add ", by=None, host="static.rust-lang.org",
        why="the machine's own component",
    ),
    Rule(pattern=r"^php --ri ", by=None, why="PHP's extensions on this machine"),
    Rule(pattern=r"^(apt-get|apk) ", by=None, why="the machine's own packages"),
)  # fmt: skip

CLOSED = (
    (re.compile(r"(^|[\s/])(mvn|mvnw)\s"), CENTRAL, "Maven's plug-ins"),
    (re.compile(r"(^|[\s/])gradlew\s"), "services.gradle.org", "the wrapper's Gradle"),
    (re.compile(r"(^|[\s/])gradle\s"), "plugins.gradle.org", "Gradle's plug-ins"),
    (re.compile(r"\bbundle (install(?! --local)|add)|\bgem install"), "rubygems.org", "gems"),
    (re.compile(r"^composer (install|update|require|audit)"), "repo.packagist.org", "packages"),
    (re.compile(r"\bcargo install|\bcargo binstall|\bcargo add"), "index.crates.io", "crates"),
    (re.compile(r"\bmix (deps\.get|archive\.install)"), "repo.hex.pm", "Hex packages"),
    (re.compile(r"\bsbt "), CENTRAL, "sbt and its packages"),
    (re.compile(r"\bterraform init"), "registry.terraform.io", "providers"),
    (re.compile(r"\bdotnet (restore|build|test|tool)"), "api.nuget.org", "NuGet packages"),
    (re.compile(r"\b(dart|flutter) pub"), "pub.dev", "packages of pub"),
    (re.compile(r"\bperlcritic\b"), "cpan.metacpan.org", "Perl::Critic"),
    (re.compile(r"^cabal "), "hackage.haskell.org", "Hackage's index"),
    (re.compile(r"^conda "), "conda.anaconda.org", "conda packages"),
    (re.compile(r"^pixi "), "conda.anaconda.org", "conda packages"),
    (re.compile(r"\bswift (build|test|package)"), "download.swift.org", "Swift"),
)
"""Lines that fetch: what they match, from where, what."""


@cache
def reachable(host: str) -> bool:
    """Whether `host` answers on 443 within some seconds; with a path, whether that is there."""
    name, _, path = host.partition("/")
    try:
        if path:
            return httpx.head(f"https://{host}", timeout=5).status_code == 200
        socket.create_connection((name, 443), timeout=2).close()
    except (OSError, httpx.HTTPError):
        return False
    return True


class Adapted(msgspec.Struct, frozen=True):
    """A job's script entries for this machine, and what was changed, in words."""

    lines: tuple[str, ...]
    changes: tuple[str, ...] = ()
    loses: tuple[str, ...] = ()


def adapt(lines: tuple[str, ...]) -> Adapted:
    """Apply every rule that counts here, in order, once per entry."""
    kept: list[str] = []
    changes: list[str] = []
    loses: list[str] = []
    for line in lines:
        text: str | None = line
        for rule in RULES:
            if text is None or not re.search(rule.pattern, text) or not _counts(rule):
                continue
            changes.append(f"{_short(line)}: {rule.why}")
            loses += [rule.loses] if rule.loses else []
            text = None if rule.by is None else re.sub(rule.pattern, rule.by, text)
        if text is not None:
            kept.append(text)
    return Adapted(tuple(kept), tuple(changes), tuple(loses))


def closed(lines: tuple[str, ...], vendored: tuple[str, ...]) -> str:
    """Why these lines cannot run here: what they fetch from where; "" where they can.

    `vendored` are hosts that the program does not need: what it uses is on the machine.
    """
    for line in lines:
        for pattern, host, what in CLOSED:
            if pattern.search(line) and host not in vendored and not reachable(host):
                return f"{what} are fetched from {host}, which is closed here"
    return ""


def missing_packages(lines: tuple[str, ...]) -> list[str]:
    """Debian packages that the job installs by itself and this machine does not have."""
    asked = [word for line in lines if line.startswith("apt-get install") for word in line.split()]
    names = [word for word in asked[2:] if word not in ("apt-get", "install") and word[0] != "-"]
    return [name for name in names if not _installed(name)]


def _installed(package: str) -> bool:
    query = ["dpkg-query", "--show", "--showformat=${Status}", package]
    done = subprocess.run(query, capture_output=True, text=True, timeout=30)
    return done.stdout == "install ok installed"


def _counts(rule: Rule) -> bool:
    if rule.tool and shutil.which(rule.tool) is None:
        return False
    return not rule.host or not reachable(rule.host)


def _short(line: str) -> str:
    first = line.strip().splitlines()[0]
    return first if len(first) <= 60 else first[:57] + "…"
