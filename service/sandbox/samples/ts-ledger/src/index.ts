import { createServer } from "node:http";
import { Ledger } from "./ledger.js";

export { Ledger, Unbalanced } from "./ledger.js";
export type { Entry } from "./ledger.js";

/** An HTTP server that shows balances; it does not listen yet. */
export function makeServer(ledger: Ledger) {
  return createServer((request, response) => {
    const account = new URL(request.url ?? "/", "http://localhost").pathname.slice(1);
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ account, cents: ledger.balance(account) }));
  });
}

if (process.argv[1]?.endsWith("index.js")) {
  makeServer(new Ledger()).listen(Number(process.env.PORT ?? 3000));
}
