"""The golden programs: small, real, with tests; and how each is broken."""

from __future__ import annotations

from tests.proof import ecosystems
from tests.proof.program import ROOT, Edit, Program

SAMPLES = ROOT / "service" / "sandbox" / "samples"
BANK = "src/main/java/com/example/bank"
MONEY = "src/main/java/com/example/money"
TEMPERATURE = "src/main/java/com/example/temperature"

PROGRAMS = (
    Program(
        name="python-greeter", ecosystem="Python, pip", home=SAMPLES, tests=4, quick=True,
        broken_test=Edit("greeter/app.py", '"Hello"', '"Bye"'),
        broken_compile=Edit("greeter/app.py", "def greet(", "def greet["),
    ),
    Program(
        name="python-inventory", ecosystem="Python, pip", home=SAMPLES, tests=5,
        broken_test=Edit("inventory/stock.py", "-= quantity", "-= 0"),
        broken_compile=Edit("inventory/stock.py", "class Stock:", "class Stock"),
    ),
    Program(
        name="python-poetry", ecosystem="Python, poetry", tests=3,
        broken_test=Edit("src/tally/words.py", "text.lower()", "text.upper()"),
        broken_compile=Edit("src/tally/words.py", "limit: int = 3)", "limit: int = )"),
    ),
    Program(
        name="python-uv", ecosystem="Python, uv", tests=5,
        broken_test=Edit("src/units/length.py", "0.3048", "0.5"),
        broken_compile=Edit("src/units/length.py", "class Length:", "class Length"),
    ),
    Program(
        name="python-setuptools", ecosystem="Python, setuptools", tests=5,
        broken_test=Edit("roman/__init__.py", '(4, "IV")', '(4, "VI")'),
        broken_compile=Edit("roman/__init__.py", "def write(number: int)", "def write(number int)"),
    ),
    Program(
        name="python-unittest", ecosystem="Python, standard library", tests=2,
        broken_test=Edit("primes.py", "[True] * (limit + 1)", "[False] * (limit + 1)"),
        broken_compile=Edit("primes.py", "def primes(limit):", "def primes(limit)"),
    ),
    Program(
        name="node-notes", ecosystem="Node, npm, node:test", home=SAMPLES, tests=3, quick=True,
        broken_test=Edit("src/notes.js", "text: text.trim()", "text: text"),
        broken_compile=Edit("src/server.js", "import { Notes }", "import { Notes"),
    ),
    Program(
        name="node-weather", ecosystem="Node, npm, node:test", home=SAMPLES, tests=3,
        broken_test=Edit("src/stations.js", "/ readings.length", "/ 1"),
        broken_compile=Edit("src/stations.js", "mean(station) {", "mean(station {"),
    ),
    Program(
        name="node-jest", ecosystem="Node, npm, Jest", tests=3,
        broken_test=Edit("index.js", ".toLowerCase()", ""),
        broken_compile=Edit("index.js", "function slug(title) {", "function slug(title {"),
    ),
    Program(
        name="node-vitest", ecosystem="Node, npm, Vitest", tests=4,
        broken_test=Edit("src/cart.js", "known.quantity + quantity", "quantity"),
        broken_compile=Edit("src/cart.js", "remove(article) {", "remove(article {"),
    ),
    Program(
        name="node-mocha", ecosystem="Node, npm, Mocha", tests=2,
        broken_test=Edit("duration.js", "h: 3600", "h: 360"),
        broken_compile=Edit("duration.js", "function seconds(text) {", "function seconds(text {"),
    ),
    Program(
        name="ts-ledger", ecosystem="TypeScript, npm", home=SAMPLES, tests=3,
        broken_test=Edit("src/ledger.ts", "?? 0", "?? 1"),
        broken_compile=Edit("src/ledger.ts", "(entries: readonly Entry[])", "(entries: Entri)"),
    ),
    Program(
        name="ts-shapes", ecosystem="TypeScript, npm", home=SAMPLES, tests=3,
        broken_test=Edit("src/shapes.ts", "shape.width) * positive", "shape.width) + positive"),
        broken_compile=Edit("src/shapes.ts", "(length: number)", "(length: string)"),
    ),
    Program(
        name="typescript-pnpm", ecosystem="TypeScript, pnpm, Vitest", tests=3,
        broken_test=Edit("src/matrix.ts", "sum + value *", "sum - value *"),
        broken_compile=Edit("src/matrix.ts", "row.length !== right", "row.size !== right"),
    ),
    Program(
        name="go-hello", ecosystem="Go", home=SAMPLES, tests=3,
        broken_test=Edit("main.go", '"Hello, "', '"Bye, "'),
        broken_compile=Edit("main.go", "name string", "name strings"),
    ),
    Program(
        name="go-orders", ecosystem="Go", home=SAMPLES, tests=6,
        broken_test=Edit("store/store.go", "s.last++", "s.last += 2"),
        broken_compile=Edit("store/store.go", "sync.RWMutex", "sync.RWMutexes"),
    ),
    Program(
        name="java-bank", ecosystem="Java, Maven", home=SAMPLES, tests=8,
        broken_test=Edit(f"{BANK}/Account.java", "cents -= amount", "cents -= 0"),
        broken_compile=Edit(f"{BANK}/Account.java", "private long cents", "private lon cents"),
    ),
    Program(
        name="java-maven", ecosystem="Java, Maven", tests=3, vendored=("repo.maven.apache.org",),
        broken_test=Edit(f"{TEMPERATURE}/Temperature.java", "* 9 / 5", "* 5 / 9"),
        broken_compile=Edit(f"{TEMPERATURE}/Temperature.java", "celsius() {", "celsius( {"),
    ),
    Program(
        name="java-gradle", ecosystem="Java, Gradle", tests=2,
        broken_test=Edit(f"{MONEY}/Money.java", "? 1 : 0", "? 0 : 1"),
        broken_compile=Edit(f"{MONEY}/Money.java", "(int parts)", "(itn parts)"),
    ),
    Program(
        name="scala-sbt", ecosystem="Scala, sbt", tests=2,
        broken_test=Edit("src/main/scala/Clock.scala", "24 * 60", "12 * 60"),
        broken_compile=Edit("src/main/scala/Clock.scala", "of(minutes: Int)", "of(minutes: Itn)"),
    ),
    Program(
        name="csharp-xunit", ecosystem=".NET, xUnit", tests=2,
        broken_test=Edit("Angles/Angle.cs", "(degrees % 360) + 360", "(degrees % 360) + 359"),
        broken_compile=Edit("Angles/Angle.cs", "double degrees", "duble degrees"),
    ),
    Program(
        name="ruby-rspec", ecosystem="Ruby, RSpec", tests=3, quick=True,
        broken_test=Edit("lib/stack.rb", "@items.pop", "@items.shift"),
        broken_compile=Edit("spec/stack_spec.rb", "to be_empty", "to be_empty)"),
    ),
    Program(
        name="ruby-minitest", ecosystem="Ruby, minitest", tests=3,
        broken_test=Edit("lib/leap.rb", "year % 400", "year % 300"),
        broken_compile=Edit("lib/leap.rb", "(year % 400)", "(year % 400"),
    ),
    Program(
        name="php-phpunit", ecosystem="PHP, PHPUnit", tests=3, quick=True,
        broken_test=Edit("src/Isbn.php", "? 1 : 3", "? 3 : 1"),
        broken_compile=Edit("src/Isbn.php", "$sum = 0;", "$sum = ;"),
    ),
    Program(
        name="cpp-cmake", ecosystem="C++, CMake", tests=3, quick=True,
        broken_test=Edit("src/fraction.cpp", "? -1 : 1", "? 1 : 1"),
        broken_compile=Edit("src/fraction.cpp", "const long sign", "const lang sign"),
    ),
    Program(
        name="c-meson", ecosystem="C, Meson", tests=2,
        broken_test=Edit("ring.c", "ring->count == RING_SIZE", "ring->count > RING_SIZE"),
        broken_compile=Edit("ring.c", "return false;\n  }\n  *item", "return no;\n  }\n  *item"),
    ),
    Program(
        name="c-make", ecosystem="C, make", tests=1, quick=True, reported=False,
        broken_test=Edit("adler.c", "low = 1", "low = 2"),
        broken_compile=Edit("main.c", "size_t length", "size_tea length"),
    ),
    Program(
        name="rust-cargo", ecosystem="Rust, Cargo", tests=4, quick=True,
        broken_test=Edit("src/lib.rs", "=> b'A'", "=> b'B'"),
        broken_compile=Edit("src/main.rs", "let mut text", "let mut texts"),
    ),
    Program(
        name="elixir-mix", ecosystem="Elixir, mix", tests=2, vendored=("repo.hex.pm",),
        broken_test=Edit("lib/bowling.ex", "sum + 10 + c", "sum + c"),
        broken_compile=Edit("lib/bowling.ex", "def score(rolls), do:", "def score(rolls) do:"),
    ),
    Program(
        name="shell-bats", ecosystem="Shell, Bats", tests=3, quick=True,
        broken_test=Edit("backup.sh", "number + 1", "number + 2"),
        broken_compile=Edit("install.sh", '"${1:-/usr/local/bin}/backup"', '"${1:-/usr/local/bin}'),
    ),
    Program(
        name="polyglot-services", ecosystem="Several apps: Python and Node", tests=5, quick=True,
        each={"rates": 3, "basket": 2},
        broken_test=Edit("services/rates/rates/table.py", "/ self._rates[source]", "/ 1"),
        broken_compile=Edit("services/basket/src/basket.js", "total() {", "total( {"),
    ),
    *ecosystems.PROGRAMS,
)  # fmt: skip
