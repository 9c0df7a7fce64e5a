import { add, mul } from "./main.ts";

Deno.test("adds", () => {
  if (add(1, 2) !== 3) throw new Error("add");
});

Deno.test("multiplies", () => {
  if (mul(2, 3) !== 6) throw new Error("mul");
});
