package com.example.money;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class MoneyTest {
  @Test
  void amountsAdd() {
    assertEquals(new Money(3), new Money(1).plus(new Money(2)));
  }

  @Test
  void noCentIsLost() {
    assertArrayEquals(
        new Money[] {new Money(34), new Money(33), new Money(33)}, new Money(100).split(3));
  }
}
