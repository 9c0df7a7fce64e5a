"""Go: go.mod, go.work, and the vendoring tools that came before modules."""

from __future__ import annotations

import re

from workers.detect import frameworks, versions
from workers.detect.found import Folder, Found
from workers.detect.monorepo import existing

LEGACY = (
    ("vendor.mod", "go"),
    ("Gopkg.toml", "dep"),
    ("glide.yaml", "glide"),
    ("Godeps/Godeps.json", "godep"),
    ("vendor/vendor.json", "govendor"),
    ("vendor/manifest", "gb"),
)
IMPORTS_C = re.compile(r'^(?:import\s+|\s+)"C"\s*$', re.M)
READ_FOR_C = 6
"""Sources that are read to learn whether C is compiled below Go."""
_REQUIRE = re.compile(r"^\s*(?:require\s+)?([\w.~-]+(?:/[\w.~-]+)+)\s+v\S+(.*)$")


def inspect(folder: Folder) -> Found | None:
    """The Go side of a folder; None without a module, a work file, a legacy manifest or sources."""
    legacy = next(((file, tool) for file, tool in LEGACY if folder.has(file)), None)
    manifest = folder.has("go.mod", "go.work") or (legacy and legacy[0])
    manifest = manifest or next(iter(folder.like("*.go")), None)
    if manifest is None:
        return None
    file = folder.full(manifest)
    found = Found(folder=folder.path, ecosystem="go", language="go", manifest=file)
    found.manifests = [folder.full(name) for name in ("go.mod", "go.work") if folder.has(name)]
    found.say("language=go", file)
    module = "go.mod" if folder.has("go.mod") else "vendor.mod"
    text = folder.text(module, rank=0) or ""
    _module(found, folder.full(module), text)
    _manager(found, folder, legacy)
    _work(found, folder)
    _version(found, folder, module, text)
    _cgo(found, folder)
    frameworks.set_framework(found, folder, found.dependencies)
    _commands(found, folder)
    if not folder.unsure and not folder.sources.get("go") and not found.members:
        found.strength = 0.5  # a module of pages, as Hugo has them, or of nothing yet
    return found


def _module(found: Found, file: str, text: str) -> None:
    module = re.search(r'^module\s+"?([^\s"]+)', text, re.M)
    if module:
        found.facts["module"] = module.group(1)
    for line in _code(text).splitlines():
        required = _REQUIRE.match(line)
        if required and "// indirect" not in required.group(2):
            found.dependencies[required.group(1)] = file


def _code(text: str) -> str:
    """go.mod without its comments, except the mark of an indirect requirement."""
    lines = (re.sub(r"//(?! indirect).*", "", line) for line in text.splitlines())
    return "\n".join(lines)


def _manager(found: Found, folder: Folder, legacy: tuple[str, str] | None) -> None:
    found.note("lock_files", (folder.full(n) for n in ("go.sum", "Gopkg.lock") if folder.has(n)))
    if legacy and not folder.has("go.mod", "go.work"):
        found.set("package_manager", legacy[1], folder.full(legacy[0]))
    found.set("package_manager", "go", found.manifest)


def _work(found: Found, folder: Folder) -> None:
    if not folder.has("go.work"):
        return
    text = re.sub(r"//.*", "", folder.text("go.work", rank=0) or "")
    block = re.findall(r"^use\s*\(([^)]*)\)", text, re.M)
    single = re.findall(r"^use\s+([^\s(]+)", text, re.M)
    names = [name for part in block for name in part.split()] + single
    members = [re.sub(r"^\./|/$", "", name.strip('"')) for name in names]
    known = [folder.full(name) for name in members if existing(folder, name, ("go.mod",))]
    found.members = sorted(set(known))
    if len(found.members) + bool(folder.has("go.mod")) > 1:
        found.set("monorepo", "go", folder.full("go.work"), folder.line("go.work", "use"))


def _version(found: Found, folder: Folder, module: str, text: str) -> None:
    """toolchain (and Heroku's comment for it), pin files, the go directive; go.work last."""
    texts = [(module, text), ("go.work", folder.text("go.work", rank=0) or "")]
    for pattern in (r"^(?:toolchain\s+|// \+heroku goVersion )go(\d[\w.]*)", r"^go\s+(\d[\w.]*)"):
        for name, content in texts:
            match = re.search(pattern, content, re.M)
            if match:
                line = content.count("\n", 0, match.start()) + 1
                found.set("version", match.group(1), folder.full(name), line)
        versions.set_version(found, folder, "go")


def _cgo(found: Found, folder: Folder) -> None:
    """The fact `cgo` where a source imports "C": those beside C's own files are asked first."""
    beside = {path.rpartition("/")[0] for path in folder.below if path.endswith((".c", ".h"))}
    sources = [path for path in folder.find("*.go") if not path.endswith("_test.go")]
    sources.sort(key=lambda path: ("cgo" not in path, path.rpartition("/")[0] not in beside))
    for path in sources[:READ_FOR_C]:
        if IMPORTS_C.search(folder.text(path, rank=3) or ""):
            found.facts["cgo"] = "true"
            found.say("cgo=true", folder.full(path), folder.line(path, '"C"'))
            return


def _commands(found: Found, folder: Folder) -> None:
    mains = sorted({p.split("/")[1] for p in folder.below if re.match(r"cmd/[^/]+/\w+\.go$", p)})
    for name in mains:
        found.set("entry_point", f"cmd/{name}", folder.full(f"cmd/{name}"))
    if folder.has("main.go"):
        found.set("entry_point", "main.go", folder.full("main.go"))
    tests = folder.find("*_test.go")
    found.has_tests = bool(tests) or folder.unsure
    found.command("build", "go build ./...", found.manifest)
    found.command("compile", "go build ./...", found.manifest)
    if found.has_tests:
        cause = folder.full(tests[0]) if tests else found.manifest
        found.set("test_tool", "go", cause)
        found.command("test", "go test ./...", cause)
    lint = folder.like(".golangci.y*ml", ".golangci.toml", ".golangci.json")
    if lint:
        found.note("linters", ["golangci-lint"])
        found.command("lint", "golangci-lint run", folder.full(lint[0]))
