import assert from "node:assert/strict";
import { test } from "node:test";
import { makeServer } from "../src/server.js";
import { Stations } from "../src/stations.js";

test("the mean of two readings lies between them", () => {
  const stations = new Stations();
  stations.report("north", 10);
  stations.report("north", 20);
  assert.equal(stations.mean("north"), 15);
});

test("a station without readings has no mean", () => {
  assert.equal(new Stations().mean("south"), null);
});

test("a reading that is no number is refused over HTTP", async (context) => {
  const server = makeServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => server.close());
  const base = `http://127.0.0.1:${server.address().port}/stations/north`;
  assert.equal((await fetch(`${base}?celsius=warm`, { method: "POST" })).status, 400);
  const good = await fetch(`${base}?celsius=4`, { method: "POST" });
  assert.deepEqual(await good.json(), { station: "north", mean: 4 });
});
