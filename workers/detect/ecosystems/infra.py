"""Infrastructure as code, and containers alone."""

from __future__ import annotations

import re

from workers.detect import versions
from workers.detect.found import Folder, Found
from workers.detect.monorepo import existing

ANSIBLE = ("ansible.cfg", "galaxy.yml", "site.yml", "playbook.yml", "playbooks/site.yml")
MOST_TEMPLATES = 2
PACKER_CALL = re.compile(r"\bpacker (?:build|validate)\b(?:[^\n\\]|\\\n){0,400}")
TEMPLATE = re.compile(r"(?<![\w./-])[\w./-]{1,100}\.json\b")
KUSTOMIZE = ("kustomization.yaml", "kustomization.yml", "helmfile.yaml")


def terraform(folder: Folder) -> Found | None:
    """Terraform or OpenTofu modules."""
    files = folder.like("*.tf", "*.tofu") or [p for p in folder.find("*.tf") if p.count("/") <= 3]
    files = files or [p for p in folder.find("terragrunt.hcl", "root.hcl") if p.count("/") <= 3]
    if not files:
        return _packer(folder)
    top = [path for path in files if "/" not in path]
    found = found_in(folder, "terraform", "terraform", files[0], 0.9 if top else 0.5)
    found.set("package_manager", "terraform", found.manifest)
    found.note("lock_files", [folder.full(n) for n in (".terraform.lock.hcl",) if folder.has(n)])
    versions.set_version(found, folder, "terraform")
    for name in [n for n in ("versions.tf", "main.tf", "terraform.tf") if folder.has(n)]:
        text = re.sub(r"(?m)^\s*(#|//).*$", "", folder.text(name) or "")
        match = re.search(r"required_version\s*=\s*\"([^\"]+)\"", text)
        version = versions.lower_bound(match.group(1), parts=2) if match else None
        found.set("version", version, folder.full(name), folder.line(name, "required_version"))
    found.command("build", "terraform validate", found.manifest)
    found.command("lint", "terraform fmt -check -recursive", found.manifest)
    tests = folder.find("*.tftest.hcl")
    if tests:
        found.has_tests = True
        found.set("test_tool", "terraform", folder.full(tests[0]))
        found.command("test", "terraform test", folder.full(tests[0]))
    if folder.has(".tflint.hcl"):
        found.note("linters", ["tflint"])
    return found


def _packer(folder: Folder) -> Found | None:
    """Packer's files; of its older templates in JSON those that are named so or a Makefile calls.

    Such a template has `builders` (developer.hashicorp.com/packer, "Legacy JSON templates").
    """
    files = folder.like("*.pkr.hcl")
    if files:
        found = found_in(folder, "packer", "hcl", files[0], 0.9)
        found.command("build", "packer validate .", found.manifest)
        return found
    scripted = folder.sources.keys() <= {"shell", "powershell"} and folder.like("*.json")
    makefile = folder.text("Makefile", rank=1) if scripted else None
    called = TEMPLATE.findall(" ".join(PACKER_CALL.findall(makefile or "")))
    named = [*folder.like("*packer*.json"), *(name for name in called if folder.has(name))]
    old = next((name for name in named[:MOST_TEMPLATES] if folder.json(name).get("builders")), None)
    if old is None:
        return None
    return found_in(folder, "packer", "json", old, 0.9)


def ansible(folder: Folder) -> Found | None:
    """Playbooks, roles and collections."""
    named = folder.has("ansible.cfg", "galaxy.yml")
    roles = folder.folders & {"roles", "playbooks", "group_vars", "host_vars", "inventory"}
    role = folder.folders >= {"meta", "tasks"} and all(
        existing(folder, name, ("main.yml",)) for name in ("meta", "tasks")
    )
    book = folder.has(*ANSIBLE) or next(iter(folder.like("*playbook*.y*ml")), None)
    cause = named or (role and "tasks/main.yml") or (book if roles or book != "site.yml" else None)
    if not cause:
        return None
    found = found_in(folder, "ansible", "yaml", cause, 0.9 if named or role else 0.7)
    found.set("package_manager", "ansible-galaxy", found.manifest)
    if book and book.endswith((".yml", ".yaml")):
        found.command("build", f"ansible-playbook --syntax-check {book}", folder.full(book))
    found.command("lint", "ansible-lint", found.manifest)
    if folder.has(".ansible-lint", ".ansible-lint.yml"):
        found.note("linters", ["ansible-lint"])
    if "molecule" in folder.folders:
        found.has_tests = True
        found.set("test_tool", "molecule", found.manifest)
        found.command("test", "molecule test", found.manifest)
    return found


def helm(folder: Folder) -> Found | None:
    """Charts, Kustomize bases, and plain Kubernetes manifests."""
    charts = [path for path in folder.find("Chart.yaml") if path.count("/") <= 2]
    other = next((p for p in folder.find(*KUSTOMIZE) if p.count("/") <= 2), None)
    if not charts and not other:
        return None
    manifest = charts[0] if charts else other or ""
    top = "/" not in manifest
    found = found_in(
        folder, "helm" if charts else "kubernetes", "yaml", manifest, 0.9 if top else 0.4
    )
    if charts:
        place = manifest.rpartition("/")[0] or "."
        found.set("package_manager", "helm", found.manifest)
        found.command("build", f"helm package {place}", found.manifest)
        found.command("lint", f"helm lint {place}", found.manifest)
        found.note("lock_files", [folder.full(p) for p in folder.find("Chart.lock")])
    return found


def docker(folder: Folder) -> Found | None:
    """A Dockerfile with nothing else that could be built."""
    files = folder.like("Dockerfile", "Containerfile", "*.dockerfile", "Dockerfile.*")
    files = files or [p for p in folder.find("Dockerfile", "Containerfile") if p.count("/") <= 2]
    if not files:
        return None
    found = found_in(folder, "docker", "dockerfile", files[0], 0.25)
    found.command("build", f"docker build -f {files[0]} .", found.manifest)
    return found


def found_in(folder: Folder, ecosystem: str, language: str, file: str, strength: float) -> Found:
    found = Found(
        folder=folder.path, ecosystem=ecosystem, language=language, manifest=folder.full(file)
    )
    found.manifests = [found.manifest]
    found.strength = strength
    found.say(f"language={language}", found.manifest)
    return found
