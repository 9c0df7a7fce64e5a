"""The stacks whose rendered files are kept beside this module, as detection describes them."""

from __future__ import annotations

from collections.abc import Mapping

from workers.detect.analysis import Analysis, Service
from workers.pipeline.plan import Plan, Site, build
from workers.pipeline.templates import Templates

NEXUS = Site(
    backend_url="https://devops.example.com",
    sonar_host_url="http://ai-sonarqube:9000",
    splunk_hec_url="https://splunk.example.com:8088",
)
OWN_REGISTRY = Site(
    backend_url="https://devops.example.com",
    image_registry="$CI_REGISTRY_IMAGE",
    builder="buildkit",
)

GO = Analysis(
    language="go",
    framework="gin",
    ecosystem="go",
    package_manager="go",
    version="1.24.3",
    entry_point="cmd/api",
    port=8080,
    has_tests=True,
    test_tool="go test",
    manifests=("go.mod",),
    lock_files=("go.sum",),
    linters=("golangci-lint",),
    commands={"build": ("go build ./...",), "test": ("go test ./...", "make test")},
    services=(Service("postgres", "16"),),
    features=("github.com/gin-gonic/gin",),
)
PYTHON_PIP = Analysis(
    language="python",
    framework="flask",
    ecosystem="python",
    package_manager="pip",
    version="3.12",
    entry_point="app.py",
    has_tests=True,
    test_tool="pytest",
    manifests=("requirements.txt", "requirements-dev.txt"),
    commands={"test": ("pytest",)},
    features=("flask", "pytest"),
)
PYTHON_POETRY = Analysis(
    language="python",
    ecosystem="python",
    package_manager="poetry",
    version="3.11",
    entry_point="shop/__main__.py",
    has_tests=True,
    test_tool="pytest",
    manifests=("pyproject.toml",),
    lock_files=("poetry.lock",),
    commands={"test": ("poetry run pytest",), "build": ("poetry build",)},
    features=("click", "pytest", "pytest-cov"),
    facts={"source_dir": "shop"},
)
PYTHON_UV = Analysis(
    language="python",
    framework="fastapi",
    ecosystem="python",
    package_manager="uv",
    version="3.13",
    entry_point="app/main.py",
    port=8000,
    has_tests=True,
    test_tool="pytest",
    manifests=("pyproject.toml",),
    lock_files=("uv.lock",),
    commands={"test": ("uv run pytest",)},
    linters=("ruff",),
    features=("fastapi", "pytest", "uvicorn"),
    services=(Service("postgres"), Service("redis")),
)
NODE_NPM = Analysis(
    language="javascript",
    framework="express",
    ecosystem="node",
    package_manager="npm",
    version="22",
    entry_point="src/server.js",
    port=3000,
    has_tests=True,
    test_tool="jest",
    manifests=("package.json",),
    lock_files=("package-lock.json",),
    linters=("eslint",),
    commands={
        "test": ("npm test",),
        "lint": ("npm run lint",),
        "start": ("npm start",),
        "install": ("npm ci",),
    },
    features=("eslint", "express", "jest"),
)
TYPESCRIPT_PNPM = Analysis(
    language="typescript",
    ecosystem="node",
    package_manager="pnpm",
    version="24",
    entry_point="dist/server.js",
    port=3000,
    has_tests=True,
    test_tool="vitest",
    coverage_tool="@vitest/coverage-v8",
    manifests=("package.json",),
    lock_files=("pnpm-lock.yaml",),
    commands={
        "build": ("pnpm build",),
        "test": ("pnpm test",),
        "lint": ("pnpm lint",),
        "start": ("pnpm start",),
    },
    features=("@vitest/coverage-v8", "fastify", "typescript", "vitest"),
    facts={"package_manager_version": "10.12.1"},
)
JAVA_MAVEN = Analysis(
    language="java",
    framework="spring-boot",
    ecosystem="java",
    package_manager="maven",
    version="21",
    port=8080,
    has_tests=True,
    test_tool="junit",
    manifests=("pom.xml",),
    commands={"build": ("./mvnw package",), "test": ("./mvnw test",)},
    facts={"wrapper": "mvnw", "artifact": "orders", "packaging": "jar"},
)
JAVA_GRADLE = Analysis(
    language="java",
    ecosystem="java",
    package_manager="gradle",
    version="17",
    has_tests=True,
    test_tool="junit",
    manifests=("build.gradle.kts", "settings.gradle.kts"),
    commands={"build": ("./gradlew assemble",), "test": ("./gradlew test",)},
    facts={"wrapper": "gradlew"},
)
DEFAULT = Analysis(
    language="cobol",
    commands={"build": ("make",), "test": ("make test",)},
    has_tests=True,
    dockerfile="Dockerfile",
)

STACKS: Mapping[str, tuple[Analysis, Site]] = {
    "go": (GO, NEXUS),
    "go-own-registry": (GO, OWN_REGISTRY),
    "python-pip": (PYTHON_PIP, NEXUS),
    "python-poetry": (PYTHON_POETRY, NEXUS),
    "python-uv": (PYTHON_UV, NEXUS),
    "node-npm": (NODE_NPM, NEXUS),
    "typescript-pnpm": (TYPESCRIPT_PNPM, NEXUS),
    "java-maven": (JAVA_MAVEN, NEXUS),
    "java-gradle": (JAVA_GRADLE, NEXUS),
    "default": (DEFAULT, NEXUS),
}


def plan_of(name: str, templates: Templates) -> Plan:
    """The plan of one stack, with the best choice for every slot."""
    analysis, site = STACKS[name]
    template, _ = templates.best(analysis.language, analysis.framework)
    return build(template, analysis, site)
