import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Ring } from "./ring.js";

describe("Ring", () => {
  it("keeps what fits", () => {
    const ring = new Ring<number>(2);
    ring.push(1);
    assert.deepEqual(ring.all, [1]);
  });

  it("drops the oldest", () => {
    const ring = new Ring<number>(2);
    [1, 2, 3].forEach((n) => ring.push(n));
    assert.deepEqual(ring.all, [2, 3]);
  });

  it("starts empty", () => assert.equal(new Ring(1).all.length, 0));
});
