/**
 * Clients behind every kind of router, in network namespaces, find each other through the rendezvous server of
 * `examples/`. native/tests/routers.c translates their addresses.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { existsSync, readFileSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { root } from "../../tools/_run.ts";
import { type Program, spawnProgram, withDeadline } from "../_helpers.ts";

const KINDS = ["open", "full", "restricted", "port", "symmetric"] as const;
type Kind = typeof KINDS[number];

const ROUTERS = `${root}/native/build/enet_routers`;
const CLIENT = `${root}/tests/programs/rendezvous.ts`;
const ROAMING = `${root}/tests/programs/roaming.ts`;
const MAIN = `${root}/examples/rendezvous/main.ts`;

/** Why this machine can't have such namespaces; undefined where it can. */
async function obstacle(): Promise<string | undefined> {
  if (process.platform !== "linux") return "only Linux has network namespaces";
  if (!existsSync(ROUTERS)) return `there is no ${ROUTERS}`;
  await using routers = spawnProgram(ROUTERS, ["open", "open:1"]);
  routers.process.stdin!.end();
  const { code, stderr } = await withDeadline(routers.ended, 60_000, "a trial");
  return code === 0 ? undefined : stderr.trim();
}

const skip = await obstacle();
if (skip !== undefined) console.warn(`SKIPPED: the way through NATs, because ${skip}`);

/** A client's place behind a router. */
interface Place {
  readonly namespace: string;
  /** That of the router. */
  readonly address: string;
}

/** Starts routers; each argument is a kind and how many clients it has. */
async function startRouters(routers: readonly string[]) {
  const program = spawnProgram(ROUTERS, ["open", ...routers], { name: "the routers" });
  const count = routers.reduce((sum, router) => sum + Number(router.split(":")[1]), 0);
  const pid = await program.line("pid ");
  const places: Place[] = [];
  const lines = await program.lines("client ", count);
  for (const line of lines) {
    const [descriptor, address] = line.split(" ");
    places.push({ namespace: `/proc/${pid}/fd/${descriptor}`, address });
  }
  return { program, places };
}

/** Runs a program of TypeScript in a namespace. */
function runAt({ namespace }: Place, file: string, ...args: string[]): Program {
  const command = [process.execPath, "run", "-A", "--no-check", file, ...args];
  return spawnProgram(ROUTERS, ["run", namespace, ...command], { name: args.join(" ") });
}

/** The table of docs/nat.md: by the kind of the client that listens, the ways of those that connect. */
function documented(): Record<string, string[]> {
  const page = readFileSync(`${root}/docs/nat.md`, "utf8");
  const rows = KINDS.map((kind) => {
    const row = page.match(new RegExp(`^\\| \`${kind}\` +\\|(.*)\\|$`, "m"));
    return [kind, row?.[1].split("|").map((cell) => cell.trim()) ?? []] as const;
  });
  return Object.fromEntries(rows);
}

/** The server, and a listening client behind each of these routers; each room has the name of the kind. */
async function rendezvous(kinds: readonly Kind[]) {
  await using opening = new AsyncDisposableStack();
  const each = kinds.map((kind) => `${kind}:1`);
  const { program, places } = await startRouters(["open:1", "port:2", ...each, ...each]);
  opening.use(program);
  const server = opening.use(runAt(places[0], MAIN, "server", "0"));
  const where = `${places[0].address}:${await server.line("listening on port ")}`;
  await Promise.all(
    kinds.map((kind, i) =>
      opening.use(runAt(places[3 + i], CLIENT, "listen", where, kind)).line("listening")
    ),
  );
  const stack = opening.move();
  return {
    where,
    neighbours: places.slice(1, 3),
    guests: places.slice(3 + kinds.length),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Connects to rooms, and returns the way to each. */
async function waysFrom(place: Place, where: string, rooms: readonly Kind[]) {
  await using client = runAt(place, CLIENT, "connect", where, ...rooms);
  const { stdout, stderr } = await withDeadline(client.ended, 150_000, "a client");
  assertEquals(stderr, "");
  return Object.fromEntries(stdout.trim().split("\n").map((line) => line.split(" ")));
}

test("Each pair of routers is joined as docs/nat.md says", { skip }, async () => {
  await using at = await rendezvous(KINDS);
  const said = documented();
  const columns = await Promise.all(KINDS.map(async (_, i) => {
    const ways = await waysFrom(at.guests[i], at.where, KINDS);
    // A machine that stops for seconds may miss the time for punches. Where no hole can be punched, it is never found.
    const late = KINDS.filter((kind) => ways[kind] === "relay" && said[kind][i] === "direct");
    return late.length === 0 ? ways : { ...ways, ...await waysFrom(at.guests[i], at.where, late) };
  }));
  const table = Object.fromEntries(
    KINDS.map((kind) => [kind, columns.map((column) => column[kind])]),
  );
  console.log("listens \\ connects", KINDS.join(" "));
  for (const [kind, ways] of Object.entries(table)) console.log(kind, ways.join(" "));
  assertEquals(table, said);
});

test("Two clients of one router, which turns nothing around, have a relay", { skip }, async () => {
  await using at = await rendezvous([]);
  const [one, two] = at.neighbours;
  await using listener = runAt(one, MAIN, "listen", at.where, "neighbours");
  await listener.line("listening");
  await using guest = runAt(two, MAIN, "connect", at.where, "neighbours");
  assertEquals(await guest.line("relay: "), "hello");
  await listener.line(`${at.where.split(":")[0]} has connected`);
});

test("A client whose router forgets it has a new session from another port", { skip }, async () => {
  await using stack = new AsyncDisposableStack();
  const { program: routers, places: [serverAt, clientAt] } = await startRouters([
    "open:1",
    "port:1",
  ]);
  stack.use(routers);
  const server = stack.use(runAt(serverAt, ROAMING, "serve"));
  const where = `${serverAt.address}:${await server.line("listening on port ")}`;
  const client = stack.use(runAt(clientAt, ROAMING, "roam", where));
  const port = await server.line("connected: ");
  await client.line("session");
  routers.write("");
  // Both sides notice, each by the silence of the other one.
  assertEquals(await server.line(`ended: ${port} `), "timeout");
  assertEquals(await client.line("ended: "), "timeout");
  await client.lines("session", 2);
  const isNew = async () => (await server.lines("connected: ", 2)).some((other) => other !== port);
  assertEquals(await isNew(), true);
});
