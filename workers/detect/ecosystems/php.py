"""PHP beyond the table: the version composer.json asks for, its scripts, and what Laravel adds."""

from __future__ import annotations

import re
from typing import Any

from workers.detect import versions
from workers.detect.found import Folder, Found
from workers.detect.rules import table

PURPOSES = {
    "test": ("test", "tests", "phpunit", "test:unit", "check"),
    "lint": ("lint", "cs", "phpcs", "phpstan", "analyse", "cs-check", "cs:check"),
    "build": ("build", "compile"),
}


TEST_SCRIPT = re.compile(
    r"(?:tests?/)?(?:run|run[_-]?tests?|tests?|test[_-][\w-]+|[\w-]+[_.-]test)\.php"
)
"""Scripts that test a program of scripts, by their usual names."""

BUNDLED = frozenset(
    {
        "core", "ctype", "curl", "date", "dom", "fileinfo", "filter", "hash", "iconv", "json",
        "libxml", "mbstring", "mysqlnd", "opcache", "openssl", "pcre", "pdo", "pdo_sqlite", "phar",
        "posix", "random", "readline", "reflection", "session", "simplexml", "sodium", "spl",
        "sqlite3", "standard", "tokenizer", "xml", "xmlreader", "xmlwriter", "zlib",
    }
)  # fmt: skip
"""What the official images hold (hub.docker.com/_/php)."""

CALL = re.compile(r"(?:@php )?(?:\./)?(?:vendor/bin/)?(?:simple-)?(phpunit|pest)(?: [^&|;]*)?")
"""A script of Composer that does no more than test."""

TOOLS = {
    "pest": "pest",
    "phpunit": "(?:simple-)?phpunit",
    "codeception": "codecept",
    "phpspec": "phpspec",
    "behat": "behat",
}
"""What a script that tests calls."""


def refine(folder: Folder, found: Found) -> None:
    """Adds version, scripts and Laravel's commands."""
    composer = folder.json("composer.json", rank=0)
    _version(folder, found, composer)
    _extensions(folder, found)
    scripts = composer.get("scripts")
    scripts = scripts if isinstance(scripts, dict) else {}
    if found.framework in ("laravel", "lumen") and folder.has("artisan"):
        found.command("start", "php artisan serve --host=0.0.0.0", folder.full("artisan"))
    if found.framework == "laravel" and folder.has("artisan") and not _before_artisan(composer):
        found.command("test", "php artisan test", folder.full("artisan"))
    called = str(scripts.get("test", ""))
    tool = next((name for name, word in TOOLS.items() if re.search(rf"\b{word}\b", called)), None)
    found.set("test_tool", tool, folder.full("composer.json"), folder.line("composer.json", called))
    _test_script(folder, found, scripts)
    for purpose, names in PURPOSES.items():
        for name in names:
            if name in scripts:
                line = folder.line("composer.json", f'"{name}"')
                found.command(purpose, f"composer {name}", folder.full("composer.json"), line)
    found.has_tests = "test" in scripts
    if not folder.has("composer.json"):
        _plain_tests(folder, found)
    roots = ("public", "web", "webroot", "htdocs", "www", "docroot", "")
    root = next((r for r in roots if folder.has(f"{r}/index.php".lstrip("/"))), None)
    if root is not None:
        found.facts["web_root"] = root or "."
        found.kind = found.kind or "server"
        found.strength = max(found.strength, 0.8)
    if found.package_manager == "composer":
        cause = folder.full(folder.has("composer.json") or "composer.lock")
        found.command("build", "composer install --no-dev", cause)


def _before_artisan(composer: dict[str, Any]) -> bool:
    """Whether Laravel is older than its seventh release, which brought `artisan test`."""
    required = composer.get("require")
    wanted = required.get("laravel/framework") if isinstance(required, dict) else None
    release = versions.lower_bound(wanted) if isinstance(wanted, str) else None
    return release is not None and int(release.split(".")[0]) < 7


def _test_script(folder: Folder, found: Found, scripts: dict[str, Any]) -> None:
    """Composer hands flags to a script of one command (the fact `composer_test`); of several the
    one that tests is called by itself, where nothing else is set for it.
    """
    script = scripts.get("test")
    if isinstance(script, str) and CALL.fullmatch(script):
        found.facts["composer_test"] = "flags"
    if not isinstance(script, list) or "@putenv" in str(script):
        return
    steps = (scripts.get(str(step).removeprefix("@"), step) for step in script)
    calls = (CALL.fullmatch(step) for step in steps if isinstance(step, str))
    call = next((match for match in calls if match), None)
    if call and " -c" not in call[0] and "--config" not in call[0]:
        line = folder.line("composer.json", '"test"')
        found.command("test", f"vendor/bin/{call[1]}", folder.full("composer.json"), line)


def _plain_tests(folder: Folder, found: Found) -> None:
    """Tests without Composer: PHPUnit's by their names, else scripts that each test by their exit.

    The fact `tests_folder` is where PHPUnit's stand that no settings name; `test_scripts` says that
    there are scripts.
    """
    units = folder.find("*Test.php")
    scripts = [path for path in folder.below if TEST_SCRIPT.fullmatch(path)]
    if units:
        found.has_tests = True
        found.set("test_tool", "phpunit", folder.full(units[0]))
        if not folder.has("phpunit.xml", "phpunit.xml.dist", "phpunit.dist.xml"):
            found.facts["tests_folder"] = units[0].rpartition("/")[0].partition("/")[0] or "."
        found.command("test", "vendor/bin/phpunit", folder.full(units[0]))
    elif scripts:
        found.has_tests = True
        found.facts["test_scripts"] = "true"
        found.say("test_scripts=true", folder.full(scripts[0]))


def _extensions(folder: Folder, found: Found) -> None:
    """The fact `unknown_extension` names the first required one that no template can install."""
    known = {name[4:] for name in table("services")["words"] if name.startswith("ext-")} | BUNDLED
    asked = (name[4:].lower() for name in found.dependencies if name.startswith("ext-"))
    unknown = next(
        (name for name in asked if re.fullmatch(r"\w+", name) and name not in known), None
    )
    if unknown:
        found.facts["unknown_extension"] = unknown
        line = folder.line("composer.json", f'"ext-{unknown}"')
        found.say(f"unknown_extension={unknown}", folder.full("composer.json"), line)


def _version(folder: Folder, found: Found, composer: dict[str, Any]) -> None:
    """The platform that composer.json pretends, else the range it requires."""
    config = composer.get("config")
    platform = config.get("platform") if isinstance(config, dict) else None
    pinned = platform.get("php") if isinstance(platform, dict) else None
    required = composer.get("require")
    wanted = required.get("php") if isinstance(required, dict) else None
    for value in (pinned, wanted):
        if isinstance(value, str):
            version = _php(value)
            line = folder.line("composer.json", f'"{value}"')
            found.set("version", version, folder.full("composer.json"), line)


def _php(value: str) -> str | None:
    version = versions.lower_bound(re.sub(r"\s*-\s*", " <", value), parts=2)
    return ".".join(version.split(".")[:3]) if version else None
