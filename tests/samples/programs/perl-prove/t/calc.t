use strict;
use warnings;
use Test::More tests => 2;
use Calc;

is(Calc::add(1, 2), 3, 'adds');
is(Calc::add(1, 0), 1, 'adds zero');
