"use strict";

const assert = require("node:assert");
const { seconds } = require("../duration");

describe("seconds", () => {
  it("adds hours, minutes and seconds", () => {
    assert.strictEqual(seconds("1h30m5s"), 5405);
  });

  it("refuses what is no duration", () => {
    assert.throws(() => seconds("soon"), SyntaxError);
  });
});
