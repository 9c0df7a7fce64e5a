package = 'calc'
version = '0.1-1'
source = { url = 'git://example.com/calc' }
dependencies = { 'lua >= 5.1' }
build = { type = 'builtin', modules = { calc = 'calc.lua' } }
