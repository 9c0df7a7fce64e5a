module Calc
  def self.add(a : Int32, b : Int32)
    a + b
  end
end
