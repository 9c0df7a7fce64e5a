require "spec"
require "../src/calc"

describe Calc do
  it "adds" { Calc.add(1, 2).should eq 3 }
  it "adds zero" { Calc.add(1, 0).should eq 1 }
end
