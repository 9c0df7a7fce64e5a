import assert from "node:assert/strict";
import { test } from "node:test";
import { area, largest, type Shape } from "./index.js";

test("the area of a rectangle", () => {
  assert.equal(area({ kind: "rectangle", width: 2, height: 3 }), 6);
});

test("a negative length is refused", () => {
  assert.throws(() => area({ kind: "circle", radius: -1 }), RangeError);
});

test("the largest of two", () => {
  const shapes: Shape[] = [
    { kind: "circle", radius: 1 },
    { kind: "rectangle", width: 2, height: 2 },
  ];
  assert.equal(largest(shapes), shapes[1]);
  assert.equal(largest([]), undefined);
});
