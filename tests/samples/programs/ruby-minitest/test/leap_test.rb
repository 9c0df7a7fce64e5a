# frozen_string_literal: true

require "minitest/autorun"
require "leap"

class LeapTest < Minitest::Test
  def test_every_fourth_year
    assert Leap.year?(2024)
  end

  def test_no_century
    refute Leap.year?(1900)
  end

  def test_but_every_fourth_century
    assert Leap.year?(2000)
  end
end
