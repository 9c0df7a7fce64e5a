# frozen_string_literal: true

# Last in, first out, with a limit.
class Stack
  class Full < StandardError; end

  attr_reader :limit

  def initialize(limit: 10)
    @limit = limit
    @items = []
  end

  def push(item)
    raise Full, "no more than #{limit}" if @items.size >= limit

    @items.push(item)
    self
  end

  def pop
    @items.pop
  end

  def empty?
    @items.empty?
  end
end
