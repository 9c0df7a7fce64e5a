"""The golden programs of the ecosystems beside the ten main ones."""

from __future__ import annotations

from tests.proof.program import Edit, Program

PROGRAMS = (
    Program(
        name="python-pdm", ecosystem="Python, pdm", tests=3,
        broken_test=Edit("src/calc/__init__.py", "return a + b", "return a - b"),
        broken_compile=Edit("src/calc/__init__.py", "def mul(a, b):", "def mul(a, b)"),
    ),
    Program(
        name="python-pipenv", ecosystem="Python, pipenv", tests=3,
        broken_test=Edit("calc.py", "return a + b", "return a - b"),
        broken_compile=Edit("calc.py", "def mul(a, b):", "def mul(a, b)"),
    ),
    Program(
        name="python-hatch", ecosystem="Python, hatch", tests=3,
        broken_test=Edit("src/calc/__init__.py", "return a + b", "return a - b"),
        broken_compile=Edit("src/calc/__init__.py", "def mul(a, b):", "def mul(a, b)"),
    ),
    Program(
        name="python-dependencies", ecosystem="Python, no package", tests=3,
        broken_test=Edit("calc/__init__.py", "return a + b", "return a - b"),
        broken_compile=Edit("calc/__init__.py", "def mul(a, b):", "def mul(a, b)"),
    ),
    Program(
        name="python-notebook", ecosystem="Notebooks", tests=2,
        broken_test=Edit("analysis.ipynb", "sum(values)", "min(values)"),
        broken_compile=Edit("analysis.ipynb", "values = [1, 2, 3]", "values = [1, 2, 3"),
    ),
    Program(
        name="python-conda", ecosystem="Python, conda", tests=3,
        broken_test=Edit("calc.py", "return a + b", "return a - b"),
        broken_compile=Edit("calc.py", "def mul(a, b):", "def mul(a, b)"),
    ),
    Program(
        name="python-pixi", ecosystem="Python, pixi", tests=3,
        broken_test=Edit("calc.py", "return a + b", "return a - b"),
        broken_compile=Edit("calc.py", "def mul(a, b):", "def mul(a, b)"),
    ),
    Program(
        name="typescript-bun", ecosystem="TypeScript, bun", tests=2,
        broken_test=Edit("index.ts", "return a + b", "return a - b"),
        broken_compile=Edit("index.ts", "mul(a: number", "mul(a: numbr"),
    ),
    Program(
        name="typescript-deno", ecosystem="TypeScript, Deno", tests=2,
        broken_test=Edit("main.ts", "return a + b", "return a - b"),
        broken_compile=Edit("main.ts", "mul(a: number", "mul(a: numbr"),
    ),
    Program(
        name="c-autotools", ecosystem="C, autotools", tests=1, quick=True,
        broken_test=Edit("calc.c", "a + b", "a - b"),
        broken_compile=Edit("calc.c", "int b)", "itn b)"),
    ),
    Program(
        name="c-make-cmocka", ecosystem="C, make, cmocka", tests=2, quick=True,
        broken_test=Edit("calc.c", "a + b", "a - b"),
        broken_compile=Edit("calc.c", "int b)", "itn b)"),
    ),
    Program(
        name="kotlin-gradle", ecosystem="Kotlin, Gradle", tests=1,
        broken_test=Edit("src/main/kotlin/Main.kt", "a + b", "a - b"),
        broken_compile=Edit("src/main/kotlin/Main.kt", "a: Int", "a: Itn"),
    ),
    Program(
        name="swift-package", ecosystem="Swift", tests=1,
        broken_test=Edit("Sources/Calc/Calc.swift", "a + b", "a - b"),
        broken_compile=Edit("Sources/Calc/Calc.swift", "a: Int", "a: Itn"),
    ),
    Program(
        name="dart-package", ecosystem="Dart", tests=1,
        broken_test=Edit("lib/calc.dart", "a + b", "a - b"),
        broken_compile=Edit("lib/calc.dart", "int b)", "itn b)"),
    ),
    Program(
        name="perl-prove", ecosystem="Perl", tests=2, quick=True,
        broken_test=Edit("lib/Calc.pm", "$left + $right", "$left - $right"),
        broken_compile=Edit("lib/Calc.pm", "my ($left, $right) = @_;", "my ($left, $right = @_;"),
    ),
    Program(
        name="r-package", ecosystem="R", tests=2,
        broken_test=Edit("R/add.R", "a + b", "a - b"),
        broken_compile=Edit("R/add.R", "function(a, b) {", "function(a, b {"),
    ),
    Program(
        name="crystal-shard", ecosystem="Crystal", tests=2,
        broken_test=Edit("src/calc.cr", "a + b", "a - b"),
        broken_compile=Edit("src/calc.cr", "def self.add(a : Int32,", "def self.add(a : Int32"),
    ),
    Program(
        name="erlang-rebar3", ecosystem="Erlang", tests=2, quick=True,
        broken_test=Edit("src/calc.erl", "A + B", "A - B"),
        broken_compile=Edit("src/calc.erl", "add(A, B) ->", "add(A, B) -"),
    ),
    Program(
        name="lua-busted", ecosystem="Lua", tests=2,
        broken_test=Edit("calc.lua", "a + b", "a - b"),
        broken_compile=Edit("calc.lua", "function M.add(a, b)", "function M.add(a, b"),
    ),
    Program(
        name="zig-build", ecosystem="Zig", tests=1, reported=False,
        broken_test=Edit("src/main.zig", "a + b", "a - b"),
        broken_compile=Edit("src/main.zig", "b: i32) i32", "b: i32) int"),
    ),
    Program(
        name="haskell-cabal", ecosystem="Haskell, cabal", tests=1, reported=False,
        broken_test=Edit("src/Calc.hs", "a + b", "a - b"),
        broken_compile=Edit("src/Calc.hs", "Int -> Int -> Int", "Int -> Itn -> Int"),
    ),
    Program(
        name="terraform-module", ecosystem="Terraform", tests=1,
        vendored=("registry.terraform.io",),
        broken_test=Edit("main.tf", "hello ${", "bye ${"),
        broken_compile=Edit("outputs.tf", "local.greeting", "local.greting"),
    ),
    Program(
        name="helm-chart", ecosystem="Helm", tests=0,
        broken_test=Edit("templates/deployment.yaml", "| quote }}", "| quote }"),
        broken_compile=Edit("templates/deployment.yaml", "| quote }}", "| quote }"),
    ),
    Program(
        name="ansible-playbook", ecosystem="Ansible", tests=0,
        broken_test=Edit("site.yml", "  tasks:", "  taskz:"),
        broken_compile=Edit("site.yml", "  tasks:", "  taskz:"),
    ),
    Program(
        name="site-hugo", ecosystem="Site, Hugo", tests=0,
        broken_test=Edit("layouts/index.html", "{{ .Content }}", "{{ .Content }"),
        broken_compile=Edit("layouts/index.html", "{{ .Content }}", "{{ .Content }"),
    ),
    Program(
        name="site-mkdocs", ecosystem="Site, MkDocs", tests=0,
        broken_test=Edit("mkdocs.yml", "site_name: Docs", "site_nam: [Docs"),
        broken_compile=Edit("mkdocs.yml", "site_name: Docs", "site_nam: [Docs"),
    ),
    Program(
        name="go-cgo", ecosystem="Go with C", tests=2,
        broken_test=Edit("parity.go", "found++", "found--"),
        broken_compile=Edit("parity.go", "(number uint32) int {", "(number uint32) str {"),
    ),
    Program(
        name="ruby-plain", ecosystem="Ruby without a Gemfile", tests=3, quick=True,
        broken_test=Edit("lib/queue_of.rb", "@entries.shift", "@entries.pop"),
        broken_compile=Edit("lib/queue_of.rb", "def add(entry)", "def add(entry"),
    ),
    Program(
        name="shell-scripts", ecosystem="Shell, scripts that test", tests=2, quick=True,
        broken_test=Edit("bin/wrap", "cut -c", "cut -b9 -c"),
        broken_compile=Edit("bin/wrap", "limit=${1:-8}", "limit=${1:-8"),
    ),
    Program(
        name="node-compound", ecosystem="Node, npm, a script that does more", tests=3,
        broken_test=Edit("isbn.js", "sum % 11", "sum % 10"),
        broken_compile=Edit("isbn.js", "function valid(text) {", "function valid(text {"),
    ),
    Program(
        name="node-ava", ecosystem="Node, npm, AVA", tests=2,
        broken_test=Edit("scale.js", "(value - least)", "(value + least)"),
        broken_compile=Edit("scale.js", "scale(values) {", "scale(values {"),
    ),
    Program(
        name="python-tox", ecosystem="Python, tests as tox has them", tests=3,
        broken_test=Edit("src/greeter_mode/__init__.py", "hour < 12", "hour > 12"),
        broken_compile=Edit("src/greeter_mode/__init__.py", "greeting(text):", "greeting(text)"),
    ),
    Program(
        name="typescript-yarn", ecosystem="TypeScript, yarn, Vitest", tests=3,
        broken_test=Edit("src/mix.ts", "value + b[i]", "value - b[i]"),
        broken_compile=Edit("src/mix.ts", "hex: string", "hex: strng"),
    ),
    Program(
        name="typescript-node-test", ecosystem="TypeScript, npm, node:test", tests=3,
        broken_test=Edit("src/ring.ts", "this.items.shift()", "this.items.pop()"),
        broken_compile=Edit("src/ring.ts", "size: number", "size: numbr"),
    ),
    Program(
        name="cpp-cmake-option", ecosystem="C++, CMake, tests by option", tests=2,
        broken_test=Edit("src/interval.cpp", "a.high - a.low", "a.high + a.low"),
        broken_compile=Edit("src/interval.cpp", "int length(", "itn length("),
    ),
    Program(
        name="java-ant", ecosystem="Java, Ant", tests=2,
        broken_test=Edit("src/org/acme/Stack.java", "items.size() - 1", "0"),
        broken_compile=Edit("src/org/acme/Stack.java", "push(T item)", "push(U item)"),
    ),
    Program(
        name="clojure-lein", ecosystem="Clojure, Leiningen", tests=2, reported=False,
        broken_test=Edit("src/calc/core.clj", "(+ a b)", "(- a b)"),
        broken_compile=Edit("src/calc/core.clj", "(defn add [a b]", "(defn add [a b"),
    ),
    Program(
        name="d-dub", ecosystem="D, dub", tests=1, reported=False,
        broken_test=Edit("source/calc.d", "a + b", "a - b"),
        broken_compile=Edit("source/calc.d", "int b)", "itn b)"),
    ),
    Program(
        name="nim-nimble", ecosystem="Nim, Nimble", tests=2, reported=False,
        broken_test=Edit("src/calc.nim", "a + b", "a - b"),
        broken_compile=Edit("src/calc.nim", "a, b: int)", "a, b: itn)"),
    ),
    Program(
        name="ocaml-dune", ecosystem="OCaml, dune", tests=1, reported=False,
        broken_test=Edit("src/calc.ml", "a + b", "a - b"),
        broken_compile=Edit("src/calc.ml", "let add a b = a + b", "let add a b = a +"),
    ),
)  # fmt: skip
