import { describe, expect, it } from "vitest";
import { multiply, transpose } from "../src/matrix.js";

describe("multiply", () => {
  it("leaves a matrix as it is with the identity", () => {
    expect(multiply([[1, 2], [3, 4]], [[1, 0], [0, 1]])).toEqual([[1, 2], [3, 4]]);
  });

  it("refuses sizes that do not fit", () => {
    expect(() => multiply([[1, 2]], [[1]])).toThrow(RangeError);
  });
});

describe("transpose", () => {
  it("turns a row into a column", () => {
    expect(transpose([[1, 2]])).toEqual([[1], [2]]);
  });
});
