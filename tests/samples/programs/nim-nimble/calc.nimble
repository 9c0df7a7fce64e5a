version = "0.1.0"
author = "proof"
description = "Sums"
license = "MIT"
srcDir = "src"

requires "nim >= 1.6.0"
