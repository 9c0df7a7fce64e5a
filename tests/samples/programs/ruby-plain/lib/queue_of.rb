# frozen_string_literal: true

# A queue that forgets its oldest entry when it is full.
class QueueOf
  def initialize(size)
    @size = size
    @entries = []
  end

  def add(entry)
    @entries << entry
    @entries.shift if @entries.length > @size
    self
  end

  def to_a
    @entries.dup
  end
end
