"""C and C++: CMake, Meson, Autotools, Make, Bazel, Conan, vcpkg, PlatformIO, Arduino."""

from __future__ import annotations

import re

from workers.detect import frameworks
from workers.detect.found import Folder, Found
from workers.detect.monorepo import existing

BUILDS: tuple[tuple[tuple[str, ...], str, dict[str, str]], ...] = (
    (
        ("CMakeLists.txt",),
        "cmake",
        {
            "compile": "cmake -S . -B build && cmake --build build",
            "build": "cmake -S . -B build && cmake --build build",
            "test": "ctest --test-dir build",
        },
    ),
    (
        ("meson.build",),
        "meson",
        {
            "compile": "meson setup build && meson compile -C build",
            "build": "meson setup build && meson compile -C build",
            "test": "meson test -C build",
        },
    ),
    (("platformio.ini",), "platformio", {"build": "pio run", "test": "pio test"}),
    (("configure.ac", "configure.in", "configure"), "autotools", {"build": "./configure && make"}),
    (("MODULE.bazel", "WORKSPACE", "WORKSPACE.bazel"), "bazel", {"build": "bazel build //..."}),
    (("xmake.lua",), "xmake", {"build": "xmake"}),
    (("premake5.lua",), "premake", {"build": "premake5 gmake2 && make"}),
    (("SConstruct",), "scons", {"build": "scons"}),
    (("Makefile", "makefile", "GNUmakefile"), "make", {"build": "make"}),
)
OTHERS = ("vala", "fortran", "objective-c", "ada")
"""Languages that the same tools build."""
PACKAGES = (
    ("conanfile.txt", "conan"),
    ("conanfile.py", "conan"),
    ("vcpkg.json", "vcpkg"),
    ("platformio.ini", "platformio"),
)
_TESTS = (
    ("googletest", r"\b(GTest|l?gtest|googletest)\b"),
    ("catch2", r"\bCatch2?\b|\bcatch2\b"),
    ("doctest", r"\bdoctest\b"),
    ("boost-test", r"\bunit_test_framework\b"),
    ("cmocka", r"\bl?cmocka\b"),
    (
        "check",
        (
            r"-lcheck\b|(?:find_package|_MODULES)\s*\([^)]*\bcheck\b|--libs check\b"
            r"|\bdependency\s*\(\s*'check'"
        ),
    ),
)

_HEADERS = {
    "catch2": ("catch.hpp", "catch_amalgamated.hpp"),
    "doctest": ("doctest.h", "doctest.hpp"),
}
"""Test frameworks of one header, which stands among the tests."""

_OFF = re.compile(r"(?i)\boption\s*\(\s*(\w+)\s+(?:\"[^\"]*\"|\w+)\s*(?:OFF|FALSE|NO|0)?\s*\)")
"""CMake, option(): without a value it is off."""
_FALSE = re.compile(r"\boption\s*\(\s*'(\w+)'[^)]*\bvalue\s*:\s*false\b")
"""Meson, meson.options."""
_TESTING = re.compile(
    r"(?i)\benable_testing\b|\binclude\s*\(\s*CTest|\(\s*\S*tests?'?\s*\)|\b(?:add_)?test\s*\("
)
# CMake, project(): languages that are named stand for all that the build enables
ONLY = re.compile(
    r"(?im)^\s*project\s*\(\s*(?:[\w.${}-]+|\"[^\"\n]*\")(?:\s+|[^()]*?\sLANGUAGES\s+)(C|CXX)"
    r"(?:\s+ASM)?\s*\)"
)


def inspect(folder: Folder) -> Found | None:
    """The C or C++ side of a folder; a Makefile alone needs sources beside it."""
    counts = folder.sources
    sources = sum(counts.get(name, 0) for name in ("c", "cpp"))
    sketch = folder.find("*.ino")
    builds = [(f, tool, c) for names, tool, c in BUILDS if (f := folder.has(*names))]
    certain = [b for b in builds if b[1] in ("cmake", "meson", "platformio", "xmake")]
    if not certain and not sources and not sketch:
        return None
    here = folder.like("*.c", "*.cpp", "*.cc", "*.h", "*.hpp") or folder.folders & {
        "src",
        "include",
    }
    if not builds and not sketch and not here:
        return None
    manifest = builds[0][0] if builds else next(iter(sketch + folder.find("*.c*", "*.h*")), "")
    found = Found(
        folder=folder.path, ecosystem="cpp", language="cpp", manifest=folder.full(manifest)
    )
    _language(found, folder, sketch)
    found.manifests = [folder.full(file) for file, _, _ in builds]
    for file, manager in PACKAGES:
        if folder.has(file):
            found.set("package_manager", manager, folder.full(file))
    for file, tool, commands in builds[:1]:
        found.facts["build_tool"] = tool
        found.say(f"build_tool={tool}", folder.full(file))
        for purpose in ("compile", "build"):
            if purpose in commands:
                found.command(purpose, commands[purpose], folder.full(file))
        _tests(found, folder, file, tool, commands)
    _dependencies(found, folder)
    found.strength = 1.0 if certain else 0.7 if builds else 0.5
    return found


def _language(found: Found, folder: Folder, sketch: list[str]) -> None:
    """C++ where its files are; headers named .h alone say C only without any C++, tests too."""
    plain = sum(path.endswith(".c") for path in folder.below)
    tested = any(path.endswith((".cpp", ".cc", ".cxx")) for path in folder.below)
    if (
        folder.sources.get("c")
        and not folder.sources.get("cpp")
        and (plain or not tested)
        and not sketch
        or plain > 2 * folder.sources.get("cpp", 0)
        and not sketch
    ):
        found.language = "c"
    cmake = found.manifest.endswith("CMakeLists.txt")
    only = ONLY.search(folder.text("CMakeLists.txt", rank=0) or "") if cmake else None
    if only:
        found.language = "c" if only.group(1).upper() == "C" else "cpp"
    others = {name: folder.sources.get(name, 0) for name in OTHERS}
    most = max(OTHERS, key=lambda name: others[name])
    if others[most] > folder.sources.get("c", 0) + folder.sources.get("cpp", 0) and not sketch:
        found.language = most
    found.ecosystem = found.language
    found.say(f"language={found.language}", found.manifest)
    for linter, file in (("clang-tidy", ".clang-tidy"), ("clang-format", ".clang-format")):
        if folder.has(file):
            found.note("linters", [linter])


def _dependencies(found: Found, folder: Folder) -> None:
    packages = folder.json("vcpkg.json").get("dependencies") if folder.has("vcpkg.json") else None
    for item in packages if isinstance(packages, list) else ():
        name = item.get("name") if isinstance(item, dict) else item
        found.dependencies[str(name)] = folder.full("vcpkg.json")
    text = folder.text("conanfile.txt") or folder.text("conanfile.py") or ""
    file = folder.has("conanfile.txt", "conanfile.py")
    for name in re.findall(r"^\s*(?:self\.requires\()?[\"']?([a-z][\w.+-]*)/[\d\[]", text, re.M):
        found.dependencies[name] = folder.full(file or "")
    frameworks.set_framework(found, folder, found.dependencies)


def _tests(found: Found, folder: Folder, file: str, tool: str, commands: dict[str, str]) -> None:
    text = re.sub(r"(?m)#.*$", "", folder.text(file) or "")
    handed = re.search(r"(?m)^(?:\.DEFAULT|%)\s*:.*\n\t.*?(?:cd|-C)\s+(\w+)\b.*\$@", text)
    below = existing(folder, handed.group(1), ("Makefile",)) if handed else None
    if below and tool == "make":
        text += re.sub(r"(?m)#.*$", "", folder.text(below, rank=2) or "")
    places = [n for n in folder.folders if re.fullmatch(r"(unit)?tests?", n, re.I)]
    nested = folder.has("tests/CMakeLists.txt", "test/CMakeLists.txt", "tests/meson.build")
    if tool in ("cmake", "meson") and nested and nested.endswith(file):
        text += re.sub(r"(?m)#.*$", "", folder.text(nested, rank=2) or "")
    found.has_tests = bool(places) or re.search(r"enable_testing|add_test\s*\(", text) is not None
    for name, pattern in _TESTS:
        if re.search(pattern, text) or frameworks.first(
            (name, name.rstrip("2")), found.dependencies
        ):
            found.set("test_tool", name, folder.full(nested or file))
    if tool == "cmake" and ("enable_testing" in text or "CTest" in text):
        found.set("test_tool", "ctest", folder.full(file))
        found.facts["ctest"] = "true"
        found.facts["tests_option"] = _option(text, _OFF)
    for name, headers in _HEADERS.items():
        for header in folder.find(*headers)[:1]:
            found.set("test_tool", name, folder.full(header))
    if tool == "meson" and re.search(r"\btest\s*\(", text):
        found.set("test_tool", "meson", folder.full(file))
        options = folder.text(folder.has("meson.options", "meson_options.txt") or "") or ""
        found.facts["tests_option"] = _option(f"{options}\n{text}", _FALSE)
        found.has_tests = True
    makefile = folder.has("Makefile") if tool == "cmake" and not _TESTING.search(text) else None
    if tool in ("make", "autotools"):
        _make_tests(found, folder, file, text)
    elif makefile and not found.test_tool:
        # CMake that only builds and installs, beside a makefile with the tests
        _make_tests(found, folder, makefile, folder.text(makefile) or "")
    tested = found.has_tests or found.test_tool
    if tested and "test" in commands and not found.commands.get("test"):
        found.command("test", commands["test"], folder.full(file))


def _option(text: str, off: re.Pattern[str]) -> str:
    """The option that is off and without which no test is built; "" where there is none."""
    for match in off.finditer(text):
        guard = rf"(?is)\bif\b[\s(a-z_']*\b{match[1]}\b[^\n]*\)(.*?)\b(?:else|endif)\b"
        if any(_TESTING.search(block) for block in re.findall(guard, text)):
            return match[1]
    return ""


def _make_tests(found: Found, folder: Folder, file: str, text: str) -> None:
    """Targets of the makefile, or of the source that configure makes it from."""
    source = folder.has("Makefile.am", "GNUmakefile.in", "Makefile.in", "Makefile.pre.in")
    made = re.sub(r"\\\n|(?m:#.*$)", "", folder.text(source) or "") if source else ""
    if re.search(r"(?m)^\s*(TESTS|check_PROGRAMS)\s*\+?=|^SUBDIRS\s*=.*\btests?\b", made):
        found.command("test", "make check", folder.full(source or ""))
    for name, content in ((file, text), (source or "", made)):
        target = re.search(r"^(test|check|tests)\s*:(?!=)", content, re.M)
        if target:
            line = folder.line(name, target.group(0))
            found.command("test", f"make {target.group(1)}", folder.full(name), line)
    if found.commands.get("test"):
        found.has_tests = True
        # a makefile's own tests have no other name
        found.set("test_tool", "make", found.manifest)
