/**
 * A game for the browser and the terminal: one server, one host, two kinds of players.
 *
 *     deno run --allow-ffi --allow-net --allow-read --allow-env examples/browser/server.ts
 *     bun examples/browser/server.ts
 *     node examples/browser/server.ts
 *
 * Then open the address that it prints, on this machine or on a phone in the same network. `native.ts` is the other
 * player. The ports are 7777 for ENet, 7778 for browsers and 7780 for the page; a first argument of 0 takes free ones.
 */
import process from "node:process";
import { Gateway } from "@enetjs/enet/gateway";
import { Game } from "./game.ts";
import { serveWeb } from "./web.ts";

const [enet, sockets, web] = process.argv[2] === "0" ? [0, 0, 0] : [7777, 7778, 7780];
const hostname = process.argv[3] ?? "0.0.0.0";

const game = await Game.open(hostname, enet);
const gateway = await Gateway.listen({ host: game.host, hostname, port: sockets });
const page = await serveWeb(hostname, web, gateway.url);
console.log(`native players: ${game.host.address.port}`);
console.log(`browsers: ${page.url}`);

process.once("SIGINT", async () => {
  page.server.close();
  page.server.closeAllConnections();
  await gateway.close();
  await game.close();
});
