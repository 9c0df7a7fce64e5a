import assert from "node:assert/strict";
import test from "node:test";

import { Basket } from "../src/basket.js";

test("an empty basket costs nothing", () => {
  assert.equal(new Basket().total(), 0);
});

test("the same article twice is one line of two", () => {
  const basket = new Basket();
  basket.add("tea", 350);
  basket.add("tea", 350);
  assert.equal(basket.total(), 700);
});
