test_that('adds', {
  expect_equal(add(1, 2), 3)
})

test_that('adds zero', {
  expect_equal(add(1, 0), 1)
})
