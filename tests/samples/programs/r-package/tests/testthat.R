library(testthat)
library(calc)

test_check('calc')
