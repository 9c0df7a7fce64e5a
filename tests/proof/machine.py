"""What stands in for a job's image on this machine: the same tools, clean for every job."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
PASSED_ON = re.compile(
    r"(?i)^(pip_|npm_config_|uv_(index|default)|.*_proxy$|ssl_cert|requests_ca|node_extra_ca)"
)
"""Settings of this machine's package clients: mirrors, proxies, certificates."""


class Bench(msgspec.Struct, frozen=True):
    """The environment of one job. `notes` say how it differs from the image."""

    environment: dict[str, str]
    notes: tuple[str, ...] = ()


class Absent(msgspec.Struct, frozen=True):
    """Why nothing here can stand in. `installable`: `toolchains.sh` brings it."""

    reason: str
    installable: bool = False


def cache_folder() -> Path:
    """Where toolchains are kept, outside the repository: DEVOPS_BACKEND_PROOF or ~/.cache."""
    named = os.environ.get("DEVOPS_BACKEND_PROOF")
    return Path(named) if named else Path.home() / ".cache" / "devops-backend-proof"


def runner_absent() -> str:
    """Why no job can run here at all; "" where they can."""
    if shutil.which("node") is None or shutil.which("rsync") is None:
        return "node and rsync are needed"
    if not (cache_folder() / "npm" / "node_modules" / ".bin" / "gitlab-ci-local").exists():
        return "gitlab-ci-local is not installed: tests/proof/toolchains.sh brings it"
    return ""


def stand_in(image: str, folder: Path) -> Bench | Absent:
    """A clean place for one job of `image`, made in `folder`."""
    name, _, tag = image.rpartition("/")[2].partition(":")
    make = _BENCHES.get(name)
    if make is None:
        return Absent(f"needs the image {image}")
    folder.mkdir(parents=True)
    return make(tag, folder)


def _bench(folder: Path, *paths: Path | str, **variables: str) -> Bench:
    passed = {name: value for name, value in os.environ.items() if PASSED_ON.match(name)}
    user = Path.home() / ".npmrc"
    if user.exists():
        passed.setdefault("npm_config_userconfig", str(user))
    path = ":".join([*(str(p) for p in paths), SYSTEM_PATH])
    return Bench({**passed, "HOME": str(folder), "PATH": path, **variables})


def _noted(bench: Bench, *notes: str) -> Bench:
    return Bench(bench.environment, (*bench.notes, *notes))


def _python(tag: str, folder: Path) -> Bench | Absent:
    wanted = ".".join(tag.partition("-")[0].split(".")[:2])
    found = _interpreter(wanted)
    venv = folder / "python"
    subprocess.run([found or sys.executable, "-m", "venv", venv], check=True, timeout=120)
    # behind the environment stands its interpreter: uv makes its own environments from that only
    bench = _bench(folder, venv / "bin", Path(found or sys.executable).resolve().parent)
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    return bench if found else _noted(bench, f"Python {ours} in place of {wanted}")


def _interpreter(version: str) -> str | None:
    """A Python of just this version: ours, one on the path, or one of pyenv's."""
    if sys.version_info[:2] == tuple(int(part) for part in version.split(".") if part.isdigit()):
        return sys.executable
    pyenv = Path.home() / ".pyenv" / "versions"
    named = shutil.which(f"python{version}", path=SYSTEM_PATH)
    found = [named] if named else [str(p) for p in sorted(pyenv.glob(f"{version}.*/bin/python"))]
    return found[-1] if found else None


def _node(tag: str, folder: Path) -> Bench | Absent:
    major = tag.partition("-")[0].partition(".")[0]
    own = cache_folder() / f"node{major}" / "node_modules" / "node" / "bin"
    prefix = folder / "global"
    bench = _bench(folder, prefix / "bin", own, npm_config_prefix=str(prefix))
    if own.exists():
        return bench
    host = _version(["node", "--version"]).lstrip("v").partition(".")[0]
    return bench if host == major else _noted(bench, f"Node {host} in place of {major}")


def _from_npm(program: str) -> Callable[[str, Path], Bench | Absent]:
    """A stand-in from the npm registry, where the package holds the program itself."""

    def make(tag: str, folder: Path) -> Bench | Absent:
        own = cache_folder() / program / "node_modules" / ".bin"
        if not (own / program).exists():
            return Absent(f"{program} is not installed", installable=True)
        return _noted(_bench(folder, own), f"the npm package of {program} in place of {tag}")

    return make


def _go(tag: str, folder: Path) -> Bench | Absent:
    wanted = ".".join(tag.partition("-")[0].split(".")[:2])
    own = cache_folder() / f"go{wanted}" / "bin"
    variables = {"GOTOOLCHAIN": "local", "GOFLAGS": "-buildvcs=false"}
    if (own / "go").exists():
        return _bench(folder, own, **variables)
    found = re.search(r"go(\d+\.\d+)", _version(["go", "version"]))
    if found is None:
        return Absent(f"Go {wanted} is not installed", installable=True)
    bench = _bench(folder, Path(shutil.which("go") or "").parent, **variables)
    return bench if found[1] == wanted else _noted(bench, f"Go {found[1]} in place of {wanted}")


def _java(tag: str, folder: Path) -> Bench | Absent:
    found = re.search(r'version "(\d+)', _version(["java", "-version"]))
    wanted = re.findall(r"(\d+)", tag)
    if found is None:
        return Absent("Java is not installed", installable=True)
    bench = _bench(folder)
    if found[1] in wanted:
        return bench
    return _noted(bench, f"Java {found[1]} in place of {tag}")


def _rust(tag: str, folder: Path) -> Bench | Absent:
    rustup = os.environ.get("RUSTUP_HOME") or str(Path.home() / ".rustup")
    return _tools("Rust", "cargo", "rustc", RUSTUP_HOME=rustup)(tag, folder)


def _tools(what: str, *programs: str, **variables: str) -> Callable[[str, Path], Bench | Absent]:
    """A stand-in from Debian's packages: `programs` must be on the path."""

    def make(tag: str, folder: Path) -> Bench | Absent:
        missing = [p for p in programs if shutil.which(p, path=_host_path()) is None]
        if missing:
            return Absent(f"{what}: {', '.join(missing)} not installed", installable=True)
        return _noted(_bench(folder, _own_tools(programs), **variables), f"this machine's {what}")

    return make


def _host_path() -> str:
    return f"{SYSTEM_PATH}:{Path.home() / '.cargo' / 'bin'}:{os.environ.get('PATH', '')}"


def _own_tools(programs: tuple[str, ...]) -> Path | str:
    """The folder of the first program, where it stands outside the system's path."""
    found = shutil.which(programs[0], path=_host_path()) if programs else None
    return Path(found).parent if found else "/usr/bin"


def _version(command: list[str]) -> str:
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


_BENCHES: Mapping[str, Callable[[str, Path], Bench | Absent]] = {
    "python": _python,
    "node": _node,
    "golang": _go,
    "maven": _java,
    "eclipse-temurin": _java,
    "gradle": _java,
    "ruby": _tools("Ruby", "ruby", "bundle"),
    "php": _tools("PHP", "php", "composer"),
    "composer": _tools("PHP", "php", "composer"),
    "rust": _rust,
    "elixir": _tools("Elixir", "elixir", "mix"),
    "gcc": _tools("C toolchain", "gcc", "make"),
    "shellcheck-alpine": _tools("shellcheck", "shellcheck"),
    "debian": _tools("Debian", "gcc", "make"),
    "perl": _tools("Perl", "perl", "prove"),
    "r-ver": _tools("R", "Rscript"),
    "haskell": _tools("GHC", "ghc", "cabal"),
    "crystal": _tools("Crystal", "crystal"),
    "erlang": _tools("Erlang", "erl", "rebar3"),
    "hugo": _tools("Hugo", "hugo"),
    "clojure": _tools("Clojure", "lein"),
    "ldc-ubuntu": _tools("D", "ldc2", "dub", DC="ldc2"),
    "nim": _tools("Nim", "nim", "nimble"),
    "opam": _tools("OCaml", "ocaml", "dune"),
    "terraform": _tools("Terraform", "terraform"),
    "bun": _from_npm("bun"),
    "deno": _from_npm("deno"),
    "buildpack-deps": _tools("C toolchain", "gcc", "make"),
}
