"""`generate`, `analyze`, `validate`: the steps of a run by hand, writing nothing to GitLab."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from service.commands import output
from workers.errors import Rejected
from workers.settings import Settings

if TYPE_CHECKING:
    from workers.detect.analysis import Analysis
    from workers.preview import Subject

Target = Annotated[
    str, typer.Argument(metavar="PATH_OR_URL", help="A local folder, or a project's address.")
]
Ref = Annotated[str, typer.Option(help="Branch or commit of a GitLab project.")]


def register(app: typer.Typer) -> None:
    """Add this group's commands."""
    app.command()(analyze)
    app.command()(generate)
    app.command()(validate)


def analyze(target: Target, ref: Ref = "", as_json: output.Json = False) -> None:
    """Print what a repository is, with file and line for every claim."""
    from workers import preview
    from workers.runs import shown_analysis

    analysis = preview.analysis_of(_subject(target, ref), output.note)
    if as_json:
        output.print_json(shown_analysis(analysis))
    else:
        _print_analysis(analysis)


def generate(
    target: Target,
    ref: Ref = "",
    out: Annotated[
        Path | None, typer.Option(help="Folder to write the files to; else they are printed.")
    ] = None,
    template_only: Annotated[bool, typer.Option("--template-only", help="Skip the model.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over files in --out.")] = False,
    as_json: output.Json = False,
) -> None:
    """Analyse, choose, generate and validate; commits nothing."""
    from workers import preview

    subject = _subject(target, ref)
    result = preview.generate(subject, template_only=template_only, say=output.note)
    if out is not None:
        _write(out, result.files, force=force)
    if as_json:
        output.print_json(result.shown())
    elif out is None:
        for path, text in result.files.items():
            output.console().print(f"# ---- {path}\n{text}")
    for left_out in result.generated.plan.notes:
        output.note(f"note: {left_out}")
    for error in result.errors:
        output.note(f"error: {error}")
    raise typer.Exit(1 if result.errors else 0)


def _write(folder: Path, files: Mapping[str, str], *, force: bool) -> None:
    """All of them or none. Raises Rejected where one would be written over that is not ours."""
    for path, text in files.items():
        there = folder / path
        if not force and there.exists() and there.read_text(errors="replace") != text:
            raise Rejected(f"{there} is there already; --force writes over it, nothing was written")
    for path, text in files.items():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
        output.note(f"wrote {folder / path}")


def validate(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...",
            help="GitLab CI files, or folders with a .gitlab-ci.yml; - reads standard input.",
        ),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for each file, a line each.")
    ] = False,
    schema_only: Annotated[
        bool, typer.Option("--schema-only", help="Ask GitLab's schema alone, as its editor does.")
    ] = False,
) -> None:
    """Check any GitLab CI file: schema and meaning, each finding with line, cause and fix.

    Exits 0 when every file is valid (warnings do not count), and 1 when one is not or cannot be
    read.
    """
    from workers.pipeline import lint
    from workers.pipeline.lint.report import to_json, to_text

    good = True
    for name in files:
        try:
            file, text = _read(name)
        except OSError as error:
            good = False
            said = f"{error.filename or name}: {error.strerror}"
            output.note(f"error: {said}")
            if as_json:
                unread = {"file": name, **output.error("file", said)}
                sys.stdout.write(msgspec.json.encode(unread).decode() + "\n")
            continue
        report = lint.check_schema(text) if schema_only else lint.check(text, file=file)
        good = good and report.valid
        if as_json:
            sys.stdout.write(to_json(report, file) + "\n")
        else:
            output.print_findings(to_text(report, file))
    raise typer.Exit(0 if good else 1)


def _read(name: str) -> tuple[str, bytes]:
    """The file's name and content, no more of it than tells that it is too big."""
    from workers.pipeline.lint.document import MAX_BYTES

    if name == "-":
        return name, sys.stdin.buffer.read(MAX_BYTES + 1)
    path = Path(name)
    path = path / ".gitlab-ci.yml" if path.is_dir() else path
    with path.open("rb") as file:
        return str(path), file.read(MAX_BYTES + 1)


def _subject(target: str, ref: str) -> Subject:
    """What to look at: a folder, or a project of the GitLab in the settings."""
    from workers import preview
    from workers.wiring import Parts

    settings = Settings.load().with_receivers_url()
    if "://" in target:
        return preview.of_project(Parts(settings), preview.project_path(settings, target), ref)
    if ref:
        raise Rejected("--ref goes with a project's address; a folder is read as it is")
    return preview.of_folder(Parts(settings), Path(target))


def _print_analysis(analysis: Analysis) -> None:
    shown = msgspec.to_builtins(analysis)
    facts = (
        "language framework package_manager version test_tool test_command build_command "
        "entry_point port monorepo nothing_to_build confidence"
    )
    rows = [(name, shown[name]) for name in facts.split() if shown[name] is not None]
    output.print_table(("fact", "value"), rows, "nothing was found")
    for app in analysis.apps:
        output.console().print(f"app {app.path}: {app.language or '?'} {app.framework or ''}")
    evidence = [(e.claim, f"{e.file}:{e.line}" if e.line else e.file) for e in analysis.evidence]
    output.console().print()
    output.print_table(("claim", "evidence"), evidence, "no evidence")
    for question in analysis.questions:
        output.console().print(f"question: {question}")
