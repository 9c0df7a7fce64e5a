# frozen_string_literal: true

RSpec.describe Stack do
  it "gives back the last item first" do
    stack = described_class.new.push(1).push(2)
    expect([stack.pop, stack.pop]).to eq([2, 1])
  end

  it "is empty at first" do
    expect(described_class.new).to be_empty
  end

  it "refuses more than its limit" do
    stack = described_class.new(limit: 1).push(1)
    expect { stack.push(2) }.to raise_error(Stack::Full, /no more than 1/)
  end
end
