import { expect, test } from "vitest";
import { Cart } from "../src/cart.js";

test("an empty cart costs nothing", () => {
  expect(new Cart().total()).toBe(0);
});

test("quantities add up", () => {
  const cart = new Cart();
  cart.add("tea", 250);
  cart.add("tea", 250, 2);
  expect(cart.total()).toBe(750);
});

test("what was taken out is not paid", () => {
  const cart = new Cart();
  cart.add("tea", 250);
  expect(cart.remove("tea")).toBe(true);
  expect(cart.total()).toBe(0);
});

test("less than one is refused", () => {
  expect(() => new Cart().add("tea", 250, 0)).toThrow(RangeError);
});
