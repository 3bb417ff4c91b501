/**
 * Programs of npm's `enet` run on `lib/compat`, too, when their peers leave in each possible way at each
 * possible moment. The tests run the old module and the new one, and compare what the program observes.
 */
import { assert, assertEquals } from "@std/assert";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { npmEnet } from "../../tools/others.ts";
import { type Runtime, runtimes } from "../../tools/setup.ts";
import { spawnRuntime, withDeadline } from "../_helpers.ts";

/** What the observer has seen of one peer; see `tests/programs/compat_leaving.ts`. */
interface Seen {
  moment: string;
  events: string[];
  callbacks: Record<string, string[]>;
  streams: Record<string, string[]>;
  fatal: string[];
}

type Role = "server" | "client";

const WAYS = ["disconnect", "disconnectNow", "disconnectLater", "reset", "killed"] as const;
const MOMENTS = ["connected", "writing", "reading", "ended", "disconnect", "disconnectLater"];

/** When a peer can leave. A server that has not been reached yet can only be killed. */
function momentsOf(role: Role, way: string): string[] {
  return role === "server" || way === "killed" ? ["connecting", ...MOMENTS] : MOMENTS;
}

async function observe(
  module: "old" | "new",
  runtime: Runtime,
  role: Role,
  way: string,
): Promise<Map<string, Seen>> {
  const args = [module === "old" ? npmEnet : "new", role, way, momentsOf(role, way).join()];
  const flags = module === "old" ? ["--disable-warning=DEP0005"] : [];
  await using program = spawnRuntime(
    runtime,
    "compat_leaving.ts",
    [...args, runtimes().node, npmEnet],
    { flags },
  );
  const { code, stdout, stderr } = await withDeadline(program.ended, 200_000, `${role}, ${way}`);
  assertEquals(code, 0, stderr.slice(-2000));
  const lines = stdout.split("\n").filter((line) => line !== "");
  return new Map(lines.map((line) => JSON.parse(line) as Seen).map((seen) => [seen.moment, seen]));
}

/** How often each callback was called. */
function calls({ callbacks }: Seen): Record<string, number> {
  return Object.fromEntries(Object.entries(callbacks).map(([name, told]) => [name, told.length]));
}

/** What holds of the new module alone. */
function check(seen: Seen, what: string): void {
  assertEquals(seen.fatal, [], what);
  const count = (event: string) => seen.events.filter((line) => line.startsWith(event)).length;
  assertEquals(
    count("peer disconnect"),
    count("host connect"),
    `${what}: an end for each beginning`,
  );
  for (const [name, life] of Object.entries(seen.streams)) {
    assertEquals(life.at(-1), "close", `${what}: ${name} closes`);
    assert(name === "writing" || life[0] === "end", `${what}: ${name} ends`);
  }
}

/** Compares what both have seen. */
function compare(now: Seen, before: Seen, what: string): void {
  // Whether a connection that ends as it begins is ever seen depends on how datagrams are sent.
  if (!before.events.some((event) => event.startsWith("host connect"))) return;
  // Where both sides disconnect at once, either may be first.
  const told = ({ moment, events }: Seen) =>
    moment.startsWith("disconnect")
      ? events.map((line) => line.replace(/^peer disconnect \d/, "peer disconnect"))
      : events;
  assertEquals(told(now), told(before), what);
  // What they are told differs: the old module calls back before anything is sent.
  assertEquals(calls(now), calls(before), what);
  assertEquals(now.callbacks.connect, before.callbacks.connect, what);
  assertEquals(now.callbacks.late, before.callbacks.late, what);
  assertEquals(now.streams.reading, before.streams.reading, what);
}

const skip = !existsSync(npmEnet);

/** How many programs run at once: most of them wait for timeouts. */
const AT_ONCE = 8;
const starts: (() => Promise<unknown>)[] = [];

/** Has something done as soon as there is a place for it. */
function schedule<T>(action: () => Promise<T>): Promise<T> {
  const done = Promise.withResolvers<T>();
  done.promise.catch(() => {});
  starts.push(() => action().then(done.resolve, done.reject));
  return done.promise;
}

const old = new Map<string, Promise<Map<string, Seen>>>();
for (const way of WAYS.toReversed()) {
  for (const role of ["server", "client"] as const) {
    // As a client the old module does not survive the answer that there is no server any more.
    if (role === "client" && way === "killed") continue;
    old.set(`${role} ${way}`, schedule(() => observe("old", "node", role, way)));
  }
}

for (const role of ["server", "client"] as const) {
  for (const way of WAYS) {
    for (const runtime of ["deno", "bun", "node"] as const) {
      const seen = schedule(() => observe("new", runtime, role, way));
      test(`A ${role} on ${runtime} survives peers that leave: ${way}`, { skip }, async () => {
        const [now, before] = await Promise.all([seen, old.get(`${role} ${way}`)]);
        assertEquals([...now.keys()].sort(), momentsOf(role, way).sort());
        for (const [moment, seen] of now) {
          const what = `${way}, ${moment}: ${JSON.stringify(seen)}`;
          check(seen, what);
          const other = before?.get(moment);
          if (other !== undefined) {
            compare(seen, other, `${what}, before: ${JSON.stringify(other)}`);
          }
        }
      });
    }
  }
}

async function work(): Promise<void> {
  for (let start = starts.shift(); start !== undefined; start = starts.shift()) await start();
}
if (!skip) { for (let i = 0; i < AT_ONCE; i++) void work(); }
