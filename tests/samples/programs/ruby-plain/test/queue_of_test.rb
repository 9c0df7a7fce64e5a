# frozen_string_literal: true

require 'test/unit'
require_relative '../lib/queue_of'

class QueueOfTest < Test::Unit::TestCase
  def test_keeps_the_order
    assert_equal [1, 2], QueueOf.new(2).add(1).add(2).to_a
  end

  def test_forgets_the_oldest
    assert_equal [2, 3], QueueOf.new(2).add(1).add(2).add(3).to_a
  end

  def test_starts_empty
    assert_empty QueueOf.new(2).to_a
  end
end
