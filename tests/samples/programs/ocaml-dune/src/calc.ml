let add a b = a + b

let total numbers = List.fold_left add 0 numbers
