#!/bin/sh
set -eu
[ "$(echo 'a programming language' | sh bin/wrap 4)" = "$(printf 'a\nprog\nlang')" ]
