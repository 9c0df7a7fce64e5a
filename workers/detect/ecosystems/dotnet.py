""".NET: project files in C#, F# and Visual Basic, solutions, global.json."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

from workers.detect import frameworks, versions
from workers.detect.found import Folder, Found

LANGUAGES = {".csproj": "csharp", ".fsproj": "fsharp", ".vbproj": "vb"}
TEST_TOOLS = (
    ("xunit", ("xunit", "xunit.*")),
    ("nunit", ("NUnit", "NUnit3TestAdapter", "nunit.framework")),
    ("tunit", ("TUnit",)),
    ("mstest", ("MSTest*", "sdk:MSTest.Sdk*", "Microsoft.VisualStudio.*UnitTestFramework")),
    ("expecto", ("Expecto",)),
    ("fsunit", ("FsUnit*",)),
)
IS_TEST = re.compile(
    r"(?i)(^|[./_-])(unit|integration|functional|acceptance)?tests?($|[./_-])|specs?$"
    r"|(?-i:[a-zA-Z]Tests?$)"
)
ASIDE = re.compile(r"(?i)(^|/)(samples?|examples?|benchmarks?|build|docs?|tools?)/|benchmark")
_PROJECT = re.compile(r'"([\w .\\/-]+\.(?:cs|fs|vb)proj)"')
SHARED = (
    "Directory.Build.props",
    "Directory.Packages.props",
    "Directory.Build.targets",
    "test/Directory.Build.props",
    "tests/Directory.Build.props",
)
MOST = 60  # projects of one solution that are looked at
STARTS = ("Program.cs", "Program.fs", "Program.vb", "Startup.cs", "Global.asax")
READ = 5  # project files: the program's, and one with tests


def inspect(folder: Folder) -> Found | None:
    """The .NET side of a folder; projects may stand below it, as they do under a solution."""
    solutions = folder.like("*.sln", "*.slnx") + folder.like("*.slnf")
    if solutions or folder.has("Directory.Build.props", "global.json"):
        stems = {_stem(path) for path in solutions}
        for name in sorted(folder.folders & ({"src", "test", "tests", "source"} | stems)):
            folder.reader.want_listing(folder.full(name), deep=True)
    projects = folder.find("*.csproj", "*.fsproj", "*.vbproj")
    if folder.unsure:
        projects += [path for path in _listed(folder, solutions[:1]) if path not in projects]
    here = [path for path in projects if "/" not in path]
    single = folder.like("*.cs", "*.fsx") if not projects else []
    legacy = folder.has("project.json") if folder.has("Program.cs", "Startup.cs") else None
    single += folder.like("*.runtimeconfig.json", "*.deps.json", "*.aspx", "[Ww]eb.config")
    if not solutions and not here and not _root_of(folder, projects) and not single and not legacy:
        return None
    main = _ranked(folder, [path for path in projects if not IS_TEST.search(_stem(path))])
    tests = [path for path in projects if IS_TEST.search(_stem(path))]
    manifest = (here or main or tests or solutions or single or [legacy or ""])[0]
    found = Found(
        folder=folder.path, ecosystem="dotnet", language="csharp", manifest=folder.full(manifest)
    )
    found.strength = 0.4 if single else 1.0
    found.manifests = [folder.full(path) for path in (*solutions, *(main or tests)[:6])]
    found.set("package_manager", "nuget", folder.full(manifest))
    _read(found, folder, (main or tests)[: READ - 1] + tests[:1], bool(main))
    _language(found, folder, main or tests)
    _solution(found, folder, solutions, main)
    pages = folder.find("App.razor", "_Host.cshtml")
    if pages:
        found.dependencies["razor:components"] = folder.full(pages[0])
    frameworks.set_framework(found, folder, found.dependencies)
    if main and not found.kind and not any(_starts(folder, path) for path in main):
        found.kind = "library"
    _tests(found, folder, tests)
    _commands(found, folder, solutions, main, manifest)
    return found


def _listed(folder: Folder, solutions: list[str]) -> list[str]:
    """Projects that a solution names in folders which were not listed; read on trust."""
    text = "".join(folder.text(name, rank=0) or "" for name in solutions)
    paths = [path.replace("\\", "/") for path in _PROJECT.findall(text)][:MOST]
    missing = [path for path in paths if folder.reader.tree.may_hold(folder.full(path))]
    for path in missing:
        folder.reader.assume(folder.full(path))
    return [path for path in missing if not folder.reader.missing(folder.full(path))]


def _root_of(folder: Folder, projects: list[str]) -> bool:
    """A root without a solution: shared build files say that projects stand below, or one program
    and its tests stand there in folders of their own."""
    shared = folder.has("Directory.Build.props", "global.json", "Directory.Packages.props")
    programs = [path for path in projects if not IS_TEST.search(_stem(path))]
    apart = len({path.partition("/")[0] for path in projects}) > 1
    tested = len(programs) == 1 and len(projects) > 1 and apart
    return bool(projects and (shared or tested or folder.has("NuGet.config", "nuget.config")))


def _stem(path: str) -> str:
    return path.rpartition("/")[2].rpartition(".")[0]


def _ranked(folder: Folder, paths: list[str]) -> list[str]:
    """Programs before libraries, by what stands beside the project file."""

    def rank(path: str) -> tuple[int, int, str]:
        web = bool(_beside(folder, path) & {"appsettings.json", "Startup.cs", "Dockerfile"})
        started = _starts(folder, path) + web
        return -started + 4 * bool(ASIDE.search(path)), path.count("/"), path

    return sorted(paths, key=rank) if len(paths) < 200 else paths[:20]


def _beside(folder: Folder, path: str) -> set[str]:
    """Names of the files in a project's folder."""
    place = folder.full(path).rpartition("/")[0]
    return set(folder.reader.tree.folders.get(place, ()))


def _starts(folder: Folder, path: str) -> bool:
    return not _beside(folder, path).isdisjoint(STARTS)


def _read(found: Found, folder: Folder, paths: list[str], has_main: bool) -> None:
    for path in paths:
        project = folder.xml(path, rank=0)
        if project is None:
            continue
        file = folder.full(path)
        test = IS_TEST.search(_stem(path)) is not None
        names = _references(project)
        if not (test and has_main):
            found.dependencies.update(dict.fromkeys((n for n in names if n), file))
            _target(found, folder, path, project)
        else:
            found.dependencies.update(dict.fromkeys(_test_packages(names), file))
    for shared in SHARED:
        project = folder.xml(shared) if folder.has(shared) else None
        if project is not None:
            _target(found, folder, shared, project)
            names = [str(e.get("Include")) for e in project.iter() if e.get("Include")]
            found.dependencies.update(dict.fromkeys(_test_packages(names), folder.full(shared)))
    _pin(found, folder)


def _test_packages(names: list[str]) -> list[str]:
    patterns = [pattern for _, patterns in TEST_TOOLS for pattern in patterns]
    return [name for name in names if frameworks.first(patterns, [name])]


def _references(project: Element) -> list[str]:
    """Package references, the project's SDK as `sdk:…`, frameworks it uses as `uses:…`."""
    names = [
        str(e.get("Include") or e.get("Update") or "") for e in project.iter("PackageReference")
    ]
    names += [str(e.get("Include") or "") for e in project.iter("FrameworkReference")]
    # projects of the old style refer to assemblies, by their full names
    assemblies = [str(e.get("Include") or "").partition(",")[0] for e in project.iter("Reference")]
    names += _test_packages(assemblies)
    sdks = [project.get("Sdk") or "", *(str(e.get("Name") or "") for e in project.iter("Sdk"))]
    names += [f"sdk:{sdk.partition('/')[0]}" for value in sdks for sdk in value.split(";") if sdk]
    for tag, name in (("UseMaui", "maui"), ("UseWPF", "wpf"), ("UseWindowsForms", "winforms")):
        if any((e.text or "").strip().lower() == "true" for e in project.iter(tag)):
            names.append(f"uses:{name}")
    return names


def _target(found: Found, folder: Folder, path: str, project: Element) -> None:
    for tag in ("TargetFramework", "TargetFrameworks", "TargetFrameworkVersion"):
        for element in project.iter(tag):
            targets = (element.text or "").strip()
            releases = re.findall(r"net(?:coreapp)?(\d+\.\d+)", targets)
            releases += [f"{t[0]}.{t[1:]}" for t in re.findall(r"\bnet(4\d{1,2})\b", targets)]
            releases += re.findall(r"^v(\d[\d.]*)", targets)
            if releases and "target" not in found.facts:
                best = max(releases, key=lambda v: tuple(int(n) for n in v.split(".")))
                found.facts["target"] = best
                found.facts["target_file"] = folder.full(path)
                found.facts["target_line"] = str(folder.line(path, f"<{tag}>"))


def _pin(found: Found, folder: Folder) -> None:
    """global.json's SDK, pin files, then the newest target of the program."""
    for place in dict.fromkeys((folder.path, "")):
        here = Folder(folder.reader, place)
        sdk = here.json("global.json").get("sdk") if here.has("global.json") else None
        wanted = sdk.get("version") if isinstance(sdk, dict) else None
        if isinstance(wanted, str):
            line = here.line("global.json", '"version"')
            found.set("version", versions.pinned(wanted), here.full("global.json"), line)
    versions.set_version(found, folder, "dotnet")
    target, file = found.facts.get("target"), found.facts.pop("target_file", found.manifest)
    line = int(found.facts.pop("target_line", "0"))
    found.set("version", target, file, line)


def _language(found: Found, folder: Folder, projects: list[str]) -> None:
    kinds = [LANGUAGES[path[-7:]] for path in projects if path[-7:] in LANGUAGES]
    if kinds:
        found.language = max(
            sorted(set(kinds)), key=lambda kind: (kinds.count(kind), kind == kinds[0])
        )
        if folder.sources.get(kinds[0], 0) and len(set(kinds)) > 1:
            found.language = kinds[0]
    elif folder.like("*.fsx") and not folder.like("*.cs"):
        found.language = "fsharp"
    found.say(f"language={found.language}", found.manifest)


def _solution(found: Found, folder: Folder, solutions: list[str], main: list[str]) -> None:
    """Two or more projects that are not tests, in folders of their own, listed by a solution."""
    parts = [path for path in main if "/" in path and not ASIDE.search(path)]
    if not solutions or len(parts) < 2:
        return
    found.members = sorted({folder.full(path.rpartition("/")[0]) for path in parts})
    if len(found.members) > 1:
        found.set("monorepo", "dotnet", folder.full(solutions[0]))


def _tests(found: Found, folder: Folder, tests: list[str]) -> None:
    for tool, patterns in TEST_TOOLS:
        name = frameworks.first(patterns, found.dependencies)
        if name:
            file = found.dependencies[name]
            relative = file[len(folder.path) :].lstrip("/")
            found.set("test_tool", tool, file, folder.line(relative, name))
    found.has_tests = bool(tests or found.test_tool)
    if "coverlet.collector" in found.dependencies or "coverlet.msbuild" in found.dependencies:
        found.set("coverage_tool", "coverlet", found.manifest)


def _commands(
    found: Found, folder: Folder, solutions: list[str], main: list[str], manifest: str
) -> None:
    if manifest.endswith((".aspx", ".config", ".json")) and not manifest.endswith("project.json"):
        return
    if manifest.endswith((".cs", ".fsx")):
        found.set("entry_point", manifest, folder.full(manifest))
        found.command("build", f"dotnet build {manifest}", folder.full(manifest))
        return
    target = (
        f" {solutions[0]}" if len(solutions) > 1 or folder.like("*.*proj") and solutions else ""
    )
    cause = folder.full(solutions[0] if solutions else manifest)
    if solutions or "/" not in manifest:
        found.facts["solution"] = (solutions or [manifest])[0]
    found.command("install", f"dotnet restore{target}", cause)
    found.command("compile", f"dotnet build{target}", cause)
    found.command("build", f"dotnet build{target} -c Release", cause)
    if found.has_tests:
        found.command("test", f"dotnet test{target}", cause)
    if main:
        found.facts["project"], found.facts["program"] = folder.full(main[0]), main[0]
        found.set("entry_point", main[0], folder.full(main[0]))
    found.note("lock_files", (folder.full(f) for f in folder.find("packages.lock.json")))
    if folder.has(".editorconfig"):
        found.note("linters", ["dotnet-format"])
