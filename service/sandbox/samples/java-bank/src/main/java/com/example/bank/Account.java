package com.example.bank;

import java.util.Objects;

/** An account in whole cents; it is never overdrawn. */
public final class Account {
  private final String owner;
  private long cents;

  public Account(String owner) {
    this.owner = Objects.requireNonNull(owner);
  }

  public String owner() {
    return owner;
  }

  public long balance() {
    return cents;
  }

  /** Adds money; the amount must be positive. */
  public void deposit(long amount) {
    if (amount <= 0) {
      throw new IllegalArgumentException("an amount is positive");
    }
    cents = Math.addExact(cents, amount);
  }

  /** Takes money out, if there is enough. */
  public void withdraw(long amount) {
    if (amount <= 0 || amount > cents) {
      throw new IllegalArgumentException("not enough money");
    }
    cents -= amount;
  }

  /** Moves money to another account, wholly or not at all. */
  public void transfer(long amount, Account target) {
    withdraw(amount);
    target.deposit(amount);
  }
}
