"use strict";

const { slug } = require("./index");

describe("slug", () => {
  test("joins words by hyphens", () => {
    expect(slug("Hello, World!")).toBe("hello-world");
  });

  test("leaves accents out", () => {
    expect(slug("Crème brûlée")).toBe("creme-brulee");
  });

  test("has no hyphen at its ends", () => {
    expect(slug("  …  ")).toBe("");
  });
});
