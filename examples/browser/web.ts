/** Serves the page over HTTP, with the browser's half of the library. */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import * as nodeModule from "node:module";
import type { AddressInfo } from "node:net";

const ENTRY = new URL(import.meta.resolve("@enetjs/enet/browser"));
/** The folder of the library: a package with one JavaScript module, or a checkout with the TypeScript sources. */
const LIBRARY = new URL("../../../", ENTRY);

/** Takes the types out of a source file. */
function stripTypes(source: string): string {
  const { Bun: bun } = globalThis as {
    Bun?: { Transpiler: new (options: object) => { transformSync(source: string): string } };
  };
  if (bun !== undefined) return new bun.Transpiler({ loader: "ts" }).transformSync(source);
  return nodeModule.stripTypeScriptTypes(source);
}

/** The content of an address, and its type; undefined where there is none. */
async function contentOf(path: string, gatewayUrl: string): Promise<[string, string] | undefined> {
  const script = "text/javascript";
  if (path === "/") {
    const page = await readFile(new URL("index.html", import.meta.url), "utf8");
    const entry = `/enet/${ENTRY.href.slice(LIBRARY.href.length)}`;
    const { port } = new URL(gatewayUrl);
    return [page.replace("ENTRY", entry).replace("GATEWAY_PORT", port), "text/html"];
  }
  if (path === "/page.js") {
    return [await readFile(new URL("page.js", import.meta.url), "utf8"), script];
  }
  const [, file] = path.match(/^\/enet\/(lib\/[\w/]+\.(?:js|ts))$/) ?? [];
  if (file === undefined) return undefined;
  const source = await readFile(new URL(file, LIBRARY), "utf8");
  return [file.endsWith(".ts") ? stripTypes(source) : source, script];
}

/** Begins to serve. */
export async function serveWeb(
  hostname: string,
  port: number,
  gatewayUrl: string,
): Promise<{ readonly url: string; readonly server: Server }> {
  const server = createServer(async ({ url = "/" }, response) => {
    const content = await contentOf(url.split("?")[0], gatewayUrl).catch(() => undefined);
    if (content === undefined) return void response.writeHead(404).end();
    const [text, type] = content;
    response.writeHead(200, {
      "content-type": `${type}; charset=utf-8`,
      "cache-control": "no-store",
    });
    response.end(text);
  });
  await once(server.listen(port, hostname), "listening");
  const { port: real } = server.address() as AddressInfo;
  return { url: `http://${hostname === "0.0.0.0" ? "127.0.0.1" : hostname}:${real}/`, server };
}
