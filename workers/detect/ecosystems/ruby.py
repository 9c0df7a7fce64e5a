"""Ruby beyond the table: how a Rails or a Rake project is tested, which version it runs on."""

from __future__ import annotations

from workers.detect import frameworks
from workers.detect.ecosystems import imports
from workers.detect.found import Folder, Found

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
