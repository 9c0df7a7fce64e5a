"""Ruby beyond the table: how a Rails or a Rake project is tested, which version it runs on."""

from __future__ import annotations

from workers.detect.found import Folder, Found


def refine(folder: Folder, found: Found) -> None:
    """Makes Rails certain by its own files; adds its build."""
    if found.framework == "rails" and folder.has("config/application.rb"):
        found.say("framework=rails", folder.full("config/application.rb"))
    if folder.has("config.ru"):
        found.kind = found.kind or "server"
    if found.framework == "rails" and folder.has("bin/rails"):
        found.command("build", "bin/rails assets:precompile", folder.full("bin/rails"))
    if folder.has("Rakefile") and not folder.has("Gemfile"):
        found.command("build", "rake", folder.full("Rakefile"))
