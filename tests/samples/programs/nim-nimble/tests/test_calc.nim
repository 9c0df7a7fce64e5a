import std/unittest
import calc

suite "calc":
  test "two numbers":
    check add(2, 3) == 5

  test "nothing":
    check total([]) == 0
