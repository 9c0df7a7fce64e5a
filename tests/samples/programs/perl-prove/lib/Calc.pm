package Calc;
use strict;
use warnings;
our $VERSION = '0.01';

sub add {
    my ($left, $right) = @_;
    return $left + $right;
}

1;
