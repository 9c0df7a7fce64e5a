"""The stacks whose rendered files are kept beside this module, as detection describes them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tests.golden.monorepos import services, twelve, within, workspace
from workers.detect.analysis import Analysis, Service
from workers.pipeline.plan import Plan, Site
from workers.pipeline.templates import Templates
from workers.steps.generate import generate
from workers.steps.retrieve import from_templates

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
    facts={"dev_requirements": "requirements-dev.txt"},
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

RUST = Analysis(
    language="rust",
    framework="axum",
    ecosystem="rust",
    package_manager="cargo",
    version="1.85",
    entry_point="src/main.rs",
    port=3000,
    has_tests=True,
    test_tool="cargo",
    manifests=("Cargo.toml",),
    lock_files=("Cargo.lock",),
    commands={"test": ("cargo test",), "build": ("cargo build --release",)},
    facts={"artifact": "api"},
)
RAILS = Analysis(
    language="ruby",
    framework="rails",
    ecosystem="ruby",
    package_manager="bundler",
    version="3.3.6",
    has_tests=True,
    test_tool="rspec",
    manifests=("Gemfile",),
    lock_files=("Gemfile.lock",),
    linters=("rubocop",),
    commands={"test": ("bundle exec rspec",)},
    services=(Service("postgres"),),
    coverage_tool="simplecov",
    features=("pg", "rails", "rspec", "simplecov"),
)
SYMFONY = Analysis(
    language="php",
    framework="symfony",
    ecosystem="php",
    package_manager="composer",
    version="8.4",
    has_tests=True,
    test_tool="phpunit",
    manifests=("composer.json",),
    lock_files=("composer.lock",),
    commands={"test": ("vendor/bin/phpunit",)},
    features=(
        "doctrine/doctrine-bundle",
        "doctrine/doctrine-migrations-bundle",
        "ext-intl",
        "symfony/framework-bundle",
    ),
    services=(Service("postgres"),),
)
DJANGO = Analysis(
    language="python",
    framework="django",
    ecosystem="python",
    package_manager="pip",
    version="3.13",
    entry_point="manage.py",
    has_tests=True,
    test_tool="django",
    manifests=("requirements.txt",),
    commands={"test": ("python manage.py test",)},
    features=("django", "psycopg"),
    facts={"manage": "manage.py", "wsgi": "shop.wsgi"},
    services=(Service("postgres"),),
)
NEXTJS = Analysis(
    language="typescript",
    framework="nextjs",
    ecosystem="node",
    package_manager="npm",
    version="24",
    has_tests=True,
    test_tool="vitest",
    manifests=("package.json",),
    lock_files=("package-lock.json",),
    linters=("eslint",),
    commands={
        "build": ("npm run build",),
        "test": ("npm test",),
        "lint": ("npm run lint",),
        "start": ("npm start",),
    },
    features=("eslint", "next", "react", "typescript", "vitest"),
)
LARAVEL = Analysis(
    language="php",
    framework="laravel",
    ecosystem="php",
    package_manager="composer",
    version="8.3",
    has_tests=True,
    test_tool="phpunit",
    manifests=("composer.json",),
    lock_files=("composer.lock",),
    linters=("phpstan",),
    commands={"test": ("vendor/bin/phpunit", "php artisan test")},
)
ASPNET = Analysis(
    language="csharp",
    framework="aspnetcore",
    ecosystem="dotnet",
    package_manager="nuget",
    version="8.0",
    has_tests=True,
    test_tool="xunit",
    manifests=("Shop.sln",),
    facts={
        "project": "src/Shop.Api/Shop.Api.csproj",
        "program": "src/Shop.Api/Shop.Api.csproj",
        "solution": "Shop.sln",
    },
)
KOTLIN = Analysis(
    language="kotlin",
    framework="spring-boot",
    ecosystem="java",
    package_manager="gradle",
    version="21",
    port=8080,
    has_tests=True,
    test_tool="junit",
    manifests=("build.gradle.kts",),
    facts={"wrapper": "gradlew"},
)
SCALA = Analysis(
    language="scala",
    ecosystem="java",
    package_manager="sbt",
    has_tests=True,
    manifests=("build.sbt",),
    commands={"test": ("sbt test",)},
)
CMAKE = Analysis(
    language="cpp",
    ecosystem="cpp",
    has_tests=True,
    manifests=("CMakeLists.txt",),
    facts={"build_tool": "cmake"},
)
MESON = Analysis(
    language="c",
    ecosystem="cpp",
    has_tests=True,
    manifests=("meson.build",),
    facts={"build_tool": "meson"},
)
ELIXIR = Analysis(
    language="elixir",
    framework="phoenix",
    ecosystem="elixir",
    version="1.17",
    has_tests=True,
    manifests=("mix.exs",),
    lock_files=("mix.lock",),
)
SWIFT = Analysis(language="swift", ecosystem="swift", has_tests=True, manifests=("Package.swift",))
DART = Analysis(language="dart", ecosystem="dart", has_tests=True, manifests=("pubspec.yaml",))
STATIC = Analysis(language="html", ecosystem="static", facts={"output": "public"})
TERRAFORM = Analysis(language="terraform", ecosystem="terraform", has_tests=True)
HELM = Analysis(
    language="yaml",
    ecosystem="helm",
    package_manager="helm",
    manifests=("charts/shop/Chart.yaml",),
)
ANSIBLE = Analysis(
    language="yaml",
    ecosystem="ansible",
    package_manager="ansible-galaxy",
    manifests=("site.yml",),
)
SHELL = Analysis(language="shell", ecosystem="shell", has_tests=True, test_tool="bats")

PNPM_ROOT = Analysis(
    language="typescript",
    ecosystem="node",
    package_manager="pnpm",
    version="22",
    has_tests=True,
    test_tool="vitest",
    manifests=("package.json",),
    lock_files=("pnpm-lock.yaml",),
    commands={"build": ("pnpm -r run build",), "test": ("pnpm -r run test",)},
    facts={"package_manager_version": "10.12.1", "tests_in": "each"},
)
CARGO_ROOT = msgspec.structs.replace(RUST, framework=None, port=None, facts={})

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
    "rust": (RUST, NEXUS),
    "ruby-rails": (RAILS, NEXUS),
    "php-laravel": (LARAVEL, NEXUS),
    "php-symfony": (SYMFONY, NEXUS),
    "python-django": (DJANGO, NEXUS),
    "typescript-nextjs": (NEXTJS, NEXUS),
    "dotnet": (ASPNET, NEXUS),
    "kotlin-gradle": (KOTLIN, NEXUS),
    "scala-sbt": (SCALA, NEXUS),
    "cpp-cmake": (CMAKE, NEXUS),
    "c-meson": (MESON, NEXUS),
    "elixir": (ELIXIR, NEXUS),
    "swift": (SWIFT, NEXUS),
    "dart": (DART, NEXUS),
    "static-site": (STATIC, NEXUS),
    "terraform": (TERRAFORM, NEXUS),
    "helm": (HELM, NEXUS),
    "ansible": (ANSIBLE, NEXUS),
    "shell": (SHELL, NEXUS),
    "default": (DEFAULT, NEXUS),
    "several-services": (
        services(
            within("services/api", GO, dockerfile="services/api/Dockerfile"),
            within("services/ml", PYTHON_UV),
            within("services/web", NODE_NPM, dockerfile="services/web/docker/Dockerfile"),
            shared=("libs/", "Makefile"),
        ),
        OWN_REGISTRY,
    ),
    "twelve-services": (twelve(), NEXUS),
    "pnpm-workspace": (
        workspace("pnpm", PNPM_ROOT, {"apps/site": "nextjs", "packages/ui": None}),
        NEXUS,
    ),
    "cargo-workspace": (workspace("cargo", CARGO_ROOT, {"cli": None, "core": None}), NEXUS),
    "maven-modules": (
        workspace("maven", JAVA_MAVEN, {"api": "spring-boot", "core": None}),
        NEXUS,
    ),
}


def plan_of(name: str, templates: Templates) -> Plan:
    """The plan of one stack, with the best choice for every slot."""
    analysis, site = STACKS[name]
    return generate(analysis, from_templates(analysis, None, templates), site, None).plan
