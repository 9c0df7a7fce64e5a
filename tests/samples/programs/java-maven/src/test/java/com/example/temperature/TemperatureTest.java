package com.example.temperature;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

class TemperatureTest {
  @Test
  void waterBoilsAtTwoHundredAndTwelveFahrenheit() {
    assertEquals(212, Temperature.ofCelsius(100).fahrenheit(), 1e-9);
  }

  @Test
  void celsiusComesBack() {
    assertEquals(-40, Temperature.ofCelsius(-40).celsius(), 1e-9);
  }

  @Test
  void nothingIsColderThanAbsoluteZero() {
    assertThrows(IllegalArgumentException.class, () -> Temperature.ofCelsius(-300));
  }
}
