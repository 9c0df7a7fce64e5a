package com.example.temperature;

/** A temperature; nothing is colder than absolute zero. */
public record Temperature(double kelvin) {
  private static final double FREEZING = 273.15;

  public Temperature {
    if (!(kelvin >= 0)) {
      throw new IllegalArgumentException("below absolute zero");
    }
  }

  public static Temperature ofCelsius(double degrees) {
    return new Temperature(degrees + FREEZING);
  }

  public double celsius() {
    return kelvin - FREEZING;
  }

  public double fahrenheit() {
    return celsius() * 9 / 5 + 32;
  }
}
