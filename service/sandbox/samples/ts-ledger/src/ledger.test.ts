import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { Ledger, makeServer, Unbalanced } from "./index.js";

test("what one account loses the other gains", () => {
  const ledger = new Ledger();
  ledger.book([
    { account: "cash", cents: -500 },
    { account: "stock", cents: 500 },
  ]);
  assert.equal(ledger.balance("cash"), -500);
  assert.equal(ledger.balance("stock"), 500);
});

test("an unbalanced booking changes nothing", () => {
  const ledger = new Ledger();
  assert.throws(() => ledger.book([{ account: "cash", cents: 1 }]), Unbalanced);
  assert.equal(ledger.balance("cash"), 0);
});

test("balances are shown over HTTP", async (context) => {
  const server = makeServer(new Ledger());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const answer = await fetch(`http://127.0.0.1:${port}/cash`);
  assert.deepEqual(await answer.json(), { account: "cash", cents: 0 });
});
