defmodule BowlingTest do
  use ExUnit.Case, async: true

  test "a perfect game" do
    assert Bowling.score(List.duplicate(10, 12)) == 300
  end

  test "a spare counts the next roll" do
    assert Bowling.score([5, 5, 3] ++ List.duplicate(0, 17)) == 16
  end
end
