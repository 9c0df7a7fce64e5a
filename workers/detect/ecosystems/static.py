"""Pages without a program: Hugo, Zola, Jekyll, Lektor, MkDocs, Sphinx, mdBook, plain HTML."""

from __future__ import annotations

import re

from workers.detect import versions
from workers.detect.found import Folder, Found

HUGO = ("hugo.toml", "hugo.yaml", "hugo.yml", "hugo.json", "config/_default/hugo.toml")
HUGO_OLD = (
    "config.toml",
    "config.yaml",
    "config.yml",
    "config.json",
    "config/_default/config.toml",
    "config/_default/config.yaml",
)
HUGO_FOLDERS = {"archetypes", "layouts", "themes", "content", "static", "data", "i18n"}
INDEXES = (
    "index.html",
    "public/index.html",
    "src/index.html",
    "htdocs/index.html",
    "dist/index.html",
    "site/index.html",
    "www/index.html",
    "app/index.html",
    "docs/index.html",
    "html/index.html",
    "web/index.html",
    "static/index.html",
    "build/index.html",
    "index.htm",
)
HOSTS = ("vercel.json", "now.json", "netlify.toml")
FUNCTIONS = re.compile(r"(api|netlify/functions)/[^.]+\.(js|mjs|ts|py|go|rb)")
SERVERS = ("Staticfile", "static.json", "nginx.conf", "httpd.conf", "Caddyfile")


def inspect(folder: Folder) -> Found | None:
    """The site in a folder: a generator's, else pages that are served as they are."""
    makers = (_hugo, _zola, _jekyll, _lektor, _mdbook, _mkdocs, _plain, _sphinx)
    return next((found for maker in makers if (found := maker(folder))), None)


def _site(
    folder: Folder, manifest: str, framework: str | None, build: str | None, by: str = "html"
) -> Found:
    """The pages; `by` is the language of the program that makes them, where one has to be there."""
    found = Found(
        folder=folder.path,
        ecosystem="static" if by == "html" else by,
        language=by,
        manifest=folder.full(manifest),
    )
    found.manifests = [found.manifest]
    found.say(f"language={by}", found.manifest)
    found.set("framework", framework, found.manifest)
    found.kind = "site"
    if build:
        found.command("build", build, found.manifest)
    return found


def _hugo(folder: Folder) -> Found | None:
    config = folder.has(*HUGO)
    if config is None and folder.folders >= {"config", "content"}:
        folder.reader.want_listing(folder.full("config"), deep=True)
    if config is None:
        old = folder.has(*HUGO_OLD)
        text = folder.text(old, rank=0) or "" if old else ""
        known = len(folder.folders & HUGO_FOLDERS)
        named = re.search(r"(?im)^\s*\"?(baseurl|languagecode|theme)\"?\s*[:=]", text)
        # Zola's base_url differs by its underscore
        if old and ((named and known) or ("archetypes" in folder.folders and known > 1)):
            config = old
    if config is None:
        return None
    found = _site(folder, config, "hugo", "hugo --minify")
    versions.set_version(found, folder, "hugo")
    netlify = folder.text("netlify.toml", rank=2) or ""
    pinned = re.search(r"HUGO_VERSION\s*=\s*\"(\d[\d.]*)\"", netlify)
    if pinned:
        line = folder.line("netlify.toml", "HUGO_VERSION")
        found.set("version", pinned.group(1), folder.full("netlify.toml"), line)
    found.facts["output"] = "public"
    # a library may keep its site's settings at the root and the site below
    own = folder.folders & {"content", "archetypes", "layouts", "themes"} or config in HUGO[4:]
    found.strength = 1.4 if own else 0.7
    return found


def _zola(folder: Folder) -> Found | None:
    config = folder.has("config.toml", "zola.toml")
    if config is None or not re.search(r"(?m)^\s*base_url\s*=", folder.text(config, rank=0) or ""):
        return None
    if not folder.folders & {"content", "templates", "themes", "sass"}:
        return None
    found = _site(folder, config, "zola", "zola build")
    found.facts["output"] = "public"
    found.strength = 1.4
    return found


def _jekyll(folder: Folder) -> Found | None:
    """Without a Gemfile; with one it is Ruby's."""
    config = folder.has("_config.yml", "_config.yaml")
    if config is None or folder.has("Gemfile", "package.json"):
        return None
    layout = folder.folders & {"_posts", "_layouts", "_includes", "_sass", "_data", "_pages"}
    pages = folder.like("index.md", "index.html", "index.markdown")
    if not layout and not pages:
        return None
    found = _site(folder, config, "jekyll", "jekyll build")
    found.facts["output"] = "_site"
    return found


def _lektor(folder: Folder) -> Found | None:
    """Its project file; the templates beside it are no pages."""
    project = next(iter(folder.like("*.lektorproject")), None)
    if project is None:
        return None
    found = _site(folder, project, "lektor", "lektor build --output-path public", "python")
    found.set("package_manager", "pip", found.manifest)
    found.facts["output"] = "public"
    return found


def _mdbook(folder: Folder) -> Found | None:
    if not folder.has("book.toml"):
        return None
    found = _site(folder, "book.toml", "mdbook", "mdbook build")
    found.facts["output"] = "book"
    return found


def _mkdocs(folder: Folder) -> Found | None:
    """Settings and pages without any Python manifest that would say the same."""
    config = folder.has("mkdocs.yml", "mkdocs.yaml")
    if config is None or "docs" not in folder.folders:
        return None
    found = _site(folder, config, "mkdocs", "mkdocs build --strict", "python")
    found.set("package_manager", "pip", found.manifest)
    found.facts["output"] = "site"
    found.strength = 0.5
    return found


def _sphinx(folder: Folder) -> Found | None:
    """Documentation and nothing else: settings of Sphinx beside their first page, in a folder."""
    for place in ("docs", "doc", "docs/source", "doc/source", "source"):
        if folder.has(f"{place}/conf.py") and folder.has(f"{place}/index.rst", f"{place}/index.md"):
            found = _site(
                folder, f"{place}/conf.py", "sphinx", f"sphinx-build {place} public", "python"
            )
            found.set("package_manager", "pip", found.manifest)
            found.facts["output"] = "public"
            found.strength = 0.3
            return found
    return None


def _plain(folder: Folder) -> Found | None:
    server = folder.has(*SERVERS)
    index = folder.has(*INDEXES) or next(iter(folder.like("*.html", "*.htm")), None)
    if index is None and server is None:
        return None
    if index is None and server not in ("Staticfile", "static.json", "nginx.conf", "httpd.conf"):
        return None
    found = _site(folder, server or index or "", None, None)
    if server:
        found.facts["server"] = server
    if index:
        found.set("entry_point", index, folder.full(index))
        found.facts["output"] = index.rpartition("/")[0] or "."
    if index is None and folder.has("Dockerfile"):
        found.strength = 0.2
        return found
    if folder.has(*HOSTS) and any(FUNCTIONS.fullmatch(path) for path in folder.below):
        # such hosts serve the pages beside the functions, which are the program
        found.strength = 0.1
        return found
    top = index is not None and index.count("/") == 0
    found.strength = (
        0.9 if server in ("Staticfile", "static.json") else 0.5 if top or server else 0.35
    )
    return found
