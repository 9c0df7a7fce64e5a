"""Ruby beyond the table: how a Rails or a Rake project is tested, which version it runs on."""

from __future__ import annotations

import re

from workers.detect import frameworks
from workers.detect.ecosystems import imports
from workers.detect.found import Folder, Found

RSPEC = frozenset({"rspec", "rspec-rails", "rspec-core"})
ENTRIES = ("config.ru", "app.rb", "main.rb", "server.rb", "web.rb")


def refine(folder: Folder, found: Found) -> None:
    """Makes Rails certain by its own files; adds its build; without a Gemfile asks the entry."""
    if found.framework is None and not found.dependencies:
        entries = [name for name in ENTRIES if folder.has(name)]
        frameworks.set_framework(found, folder, imports.ruby(folder, entries))
    if found.framework == "rails" and folder.has("config/application.rb"):
        found.say("framework=rails", folder.full("config/application.rb"))
    if folder.has("config.ru"):
        found.kind = found.kind or "server"
    if found.framework == "rails" and folder.has("bin/rails"):
        found.command("build", "bin/rails assets:precompile", folder.full("bin/rails"))
    if folder.has("Rakefile") and not folder.has("Gemfile"):
        found.command("build", "rake", folder.full("Rakefile"))
    if not folder.has("Gemfile", "gems.rb"):
        _tests(folder, found)
    elif "minitest" in found.dependencies and not found.dependencies.keys() & RSPEC:
        _task(folder, found)


def of_gem(folder: Folder, run: dict[str, str]) -> dict[str, str]:
    """What a gem needs where it runs; a framework's own gem does not use itself or its parts."""
    gems = {name.removesuffix(".gemspec") for name in folder.like("*.gemspec")}
    if not gems:
        return run
    known = (set(entry.dependencies) for entry in frameworks.frameworks("ruby"))
    own = {dep for names in known if names & gems for dep in names}
    needed = {dep: file for dep, file in run.items() if file.endswith(".gemspec")}
    return {dep: file for dep, file in needed.items() if dep not in own}


def _task(folder: Folder, found: Found) -> None:
    """The task of the Rakefile that runs Minitest's tests, where its name is not `test`."""
    names = re.findall(r"\bTestTask\.new\(?\s*:(\w+)", folder.text("Rakefile") or "")
    if names and "test" not in names:
        line = folder.line("Rakefile", f":{names[0]}")
        found.command("test", f"bundle exec rake {names[0]}", folder.full("Rakefile"), line)


def _tests(folder: Folder, found: Found) -> None:
    """Without a Gemfile what Ruby brings along runs the tests, and their first file tells what.

    The fact `test_runner` is `rake` where the Rakefile has a task for them, else `ruby`.
    """
    specs, files = folder.find("*_spec.rb"), folder.find("*_test.rb", "test_*.rb")
    if not specs and not files:
        return
    first = (files or specs)[0]
    text = folder.text(first) or ""
    units = "minitest" if not re.search(r"\bTest::Unit\b|test/unit", text) else "test-unit"
    found.set("test_tool", units if files else "rspec", folder.full(first))
    tasks = folder.text("Rakefile") or ""
    if re.search(r"\bTestTask\b|^\s*task[\s(]+['\":]*test\b", tasks, re.M) and files:
        found.facts["test_runner"] = "rake"
        found.command("test", "rake test", folder.full("Rakefile"))
    else:
        found.facts["test_runner"] = "ruby"
        found.command("test", "rspec" if not files else f"ruby {first}", folder.full(first))
