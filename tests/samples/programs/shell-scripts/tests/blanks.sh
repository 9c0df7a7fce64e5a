#!/bin/sh
set -eu
[ "$(printf 'one \t two' | sh bin/wrap)" = "$(printf 'one\ntwo')" ]
