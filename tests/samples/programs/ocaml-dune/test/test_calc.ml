let () =
  assert (Calc.add 2 3 = 5);
  assert (Calc.total [ 1; 2; 3 ] = 6)
