# frozen_string_literal: true

# Years of the Gregorian calendar.
module Leap
  def self.year?(year)
    (year % 4).zero? && (year % 100 != 0 || (year % 400).zero?)
  end
end
