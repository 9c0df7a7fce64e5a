import assert from "node:assert/strict";
import { test } from "node:test";
import { Notes } from "../src/notes.js";
import { makeServer } from "../src/server.js";

test("notes are numbered from one", () => {
  assert.deepEqual(new Notes().add(" milk "), { id: 1, text: "milk" });
});

test("an empty note is refused", () => {
  assert.throws(() => new Notes().add("  "), TypeError);
});

test("a note goes in and out over HTTP", async (context) => {
  const server = makeServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => server.close());
  const base = `http://127.0.0.1:${server.address().port}`;
  const made = await fetch(`${base}/notes`, { method: "POST", body: '{"text":"milk"}' });
  assert.equal(made.status, 201);
  assert.deepEqual(await (await fetch(`${base}/notes`)).json(), [{ id: 1, text: "milk" }]);
  assert.equal((await fetch(`${base}/notes/1`, { method: "DELETE" })).status, 204);
});
