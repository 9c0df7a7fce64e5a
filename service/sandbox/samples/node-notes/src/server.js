import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { Notes } from "./notes.js";

async function read(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString("utf8"));
}

/** An HTTP server over some notes; it does not listen yet. */
export function makeServer(notes = new Notes()) {
  return createServer(async (request, response) => {
    const send = (status, body) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(body === undefined ? "" : JSON.stringify(body));
    };
    try {
      const { pathname } = new URL(request.url, "http://localhost");
      if (pathname === "/health") return send(204);
      if (pathname === "/notes" && request.method === "GET") return send(200, notes.all());
      if (pathname === "/notes" && request.method === "POST") {
        return send(201, notes.add((await read(request)).text));
      }
      const id = Number(pathname.match(/^\/notes\/(\d+)$/)?.[1]);
      if (id && request.method === "DELETE") return send(notes.remove(id) ? 204 : 404);
      return send(404, { error: "not found" });
    } catch (error) {
      return send(400, { error: error.message });
    }
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const port = Number(process.env.PORT ?? 3000);
  makeServer().listen(port, () => console.log(`listening on ${port}`));
}
