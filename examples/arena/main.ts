/**
 * An arena: a game server with rooms, and bots that play there.
 *
 *     deno run --allow-ffi examples/arena/main.ts [--bots 50] [--seconds 10]
 *     bun examples/arena/main.ts
 *     node examples/arena/main.ts
 *
 * Or in two processes, on one machine or two:
 *
 *     deno run --allow-ffi examples/arena/main.ts --listen 7777
 *     deno run --allow-ffi examples/arena/main.ts --connect 127.0.0.1:7777
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { playBots, report } from "./crowd.ts";
import { codeName } from "./protocol.ts";
import { Arena } from "./server.ts";

const { values } = parseArgs({
  options: {
    bots: { type: "string", default: "50" },
    seconds: { type: "string", default: "10" },
    listen: { type: "string" },
    connect: { type: "string" },
  },
});
const bots = Number(values.bots);
const seconds = Number(values.seconds);

async function play(address: string): Promise<void> {
  console.log(`${bots} bots play for ${seconds} s`);
  console.log(report(await playBots(address, bots, seconds), seconds));
}

function conclude({ logins, kicked, lost }: Arena): void {
  const codes = [...kicked].map(([code, count]) => `${codeName(code)} ${count}`);
  console.log(`server: ${logins} logins, ${lost} lost, kicked: ${codes.join(", ") || "nobody"}`);
}

/** Serves until SIGINT or SIGTERM comes. */
async function serve(port: number): Promise<void> {
  const arena = await Arena.open("0.0.0.0", port);
  console.log(`listening on port ${arena.address.port}`);
  const ended = Promise.withResolvers<void>();
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, ended.resolve);
  await ended.promise;
  await arena.close();
  conclude(arena);
}

async function playHere(): Promise<void> {
  await using arena = await Arena.open("127.0.0.1", 0);
  await play(`127.0.0.1:${arena.address.port}`);
  conclude(arena);
}

if (values.connect !== undefined) await play(values.connect);
else if (values.listen !== undefined) await serve(Number(values.listen));
else await playHere();
