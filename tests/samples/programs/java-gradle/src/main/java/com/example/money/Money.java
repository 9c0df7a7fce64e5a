package com.example.money;

/** An amount in whole cents. */
public record Money(long cents) {
  public Money plus(Money other) {
    return new Money(Math.addExact(cents, other.cents));
  }

  /** Parts that differ by a cent at most and sum up to the whole. */
  public Money[] split(int parts) {
    Money[] split = new Money[parts];
    for (int part = 0; part < parts; part++) {
      split[part] = new Money(cents / parts + (part < cents % parts ? 1 : 0));
    }
    return split;
  }
}
