-module(calc_tests).
-include_lib("eunit/include/eunit.hrl").

add_test() -> ?assertEqual(3, calc:add(1, 2)).
zero_test() -> ?assertEqual(1, calc:add(1, 0)).
