local calc = require('calc')

describe('calc', function()
  it('adds', function() assert.are.equal(3, calc.add(1, 2)) end)
  it('zero', function() assert.are.equal(1, calc.add(1, 0)) end)
end)
