#!/usr/bin/env bats

setup() {
  folder="$(mktemp -d)"
  echo "text" > "$folder/file"
}

teardown() {
  rm -r "$folder"
}

@test "the first copy is numbered one" {
  bash backup.sh "$folder/file"
  [ "$(cat "$folder/file.1")" = "text" ]
}

@test "no copy is written over" {
  bash backup.sh "$folder/file"
  bash backup.sh "$folder/file"
  [ -e "$folder/file.2" ]
}

@test "a missing file is a wrong use" {
  run bash backup.sh "$folder/none"
  [ "$status" -eq 2 ]
}
