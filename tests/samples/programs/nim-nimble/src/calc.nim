proc add*(a, b: int): int =
  a + b

proc total*(numbers: openArray[int]): int =
  for number in numbers:
    result = add(result, number)
