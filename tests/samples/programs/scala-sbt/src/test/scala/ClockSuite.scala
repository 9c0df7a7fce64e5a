class ClockSuite extends munit.FunSuite:
  test("midnight is passed") {
    assertEquals((Clock.of(23 * 60) + 90).toString, "00:30")
  }

  test("minutes before midnight are of the day before") {
    assertEquals(Clock.of(-1).toString, "23:59")
  }
