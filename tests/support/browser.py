"""Debian's chromium, and what is looked for on a page of ours."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

COUNT = """(all) => { const n = {}; for (const e of all) {
  n[e.tagName] = (n[e.tagName] || 0) + 1;
  for (const a of e.attributes) n['@' + a.name] = (n['@' + a.name] || 0) + 1; }
  return n }"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser. A machine without it may not pass for CI; a newcomer is told what to install."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        assert not os.environ.get("CI"), "CI has to install chromium"
        pytest.skip("no chromium here, so no page was looked at: apt-get install chromium")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield launched
        launched.close()


class Watched:
    """A page, with what went wrong on it: errors of scripts, and what the policy blocked."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._console)
        page.on("dialog", self._dialog)

    def _console(self, message: Any) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _dialog(self, dialog: Any) -> None:
        self.errors.append(f"a dialog: {dialog.message}")
        dialog.dismiss()


def outline(page: Page) -> dict[str, int]:
    """How many elements of each kind, and of each attribute, a page has."""
    counted: dict[str, int] = page.evaluate(f"({COUNT})(document.querySelectorAll('*'))")
    return counted


def outlines(page: Page, documents: list[str]) -> list[tuple[dict[str, int], str]]:
    """The same of HTML that this browser parses, without going there; and its text."""
    found = page.evaluate(
        f"""(documents) => documents.map(html => {{
          const d = new DOMParser().parseFromString(html, 'text/html');
          return [({COUNT})(d.querySelectorAll('*')), d.documentElement.textContent] }})""",
        documents,
    )
    return [(counted, text) for counted, text in found]
