import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { Stations } from "./stations.js";

/** An HTTP server over some stations; it does not listen yet. */
export function makeServer(stations = new Stations()) {
  return createServer((request, response) => {
    const url = new URL(request.url, "http://localhost");
    const station = url.pathname.match(/^\/stations\/([\w-]+)$/)?.[1];
    const send = (status, body) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    };
    if (!station) return send(404, { error: "not found" });
    if (request.method === "POST") {
      try {
        stations.report(station, Number(url.searchParams.get("celsius") ?? NaN));
      } catch (error) {
        return send(400, { error: error.message });
      }
    }
    return send(200, { station, mean: stations.mean(station) });
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const port = Number(process.env.PORT ?? 3000);
  makeServer().listen(port, () => console.log(`listening on ${port}`));
}
