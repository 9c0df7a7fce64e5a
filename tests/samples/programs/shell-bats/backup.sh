#!/usr/bin/env bash
# Copies a file beside itself, numbered: backup.sh FILE
set -euo pipefail

next_name() {
  local file="$1" number=1
  while [ -e "$file.$number" ]; do
    number=$((number + 1))
  done
  printf '%s.%s\n' "$file" "$number"
}

main() {
  if [ ! -f "${1:-}" ]; then
    echo "usage: backup.sh FILE" >&2
    return 2
  fi
  cp -- "$1" "$(next_name "$1")"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  main "$@"
fi
