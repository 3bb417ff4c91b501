// deno-lint-ignore-file no-explicit-any -- npm's enet has no types
/**
 * What a program of npm's `enet` observes when its peer leaves. It runs on that package and on
 * `lib/compat` alike, and listens for no `error` of a stream.
 *
 * Arguments: the folder of the package or `new`; whether the observer is the `server` or the `client`;
 * how its peer leaves, a method of a peer or `killed`; the moments at which it leaves, joined by commas;
 * where Node is. It prints a line of JSON for each moment. With `leaver` in place of the first, it is the
 * peer that gets killed.
 */
import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const [folder, role, way, moments, node, oldFolder, port] = process.argv.slice(2);
const enet: any = folder === "new"
  ? await import("../../lib/compat/mod.ts")
  : createRequire(import.meta.url)(folder === "leaver" ? oldFolder : folder);

/** It takes a timeout to be seen. */
const isSilent = way === "reset" || way === "killed";

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function create(kind: "createServer" | "createClient"): Promise<any> {
  return new Promise((resolve, reject) =>
    enet[kind](
      { address: { address: "127.0.0.1", port: 0 }, peers: 4, channels: 3 },
      (error: unknown, host: any) => error ? reject(error) : resolve(host),
    )
  );
}

/** What a scenario has seen. */
class Log {
  readonly events: string[] = [];
  readonly callbacks: Record<string, string[]> = {};
  readonly streams: Record<string, string[]> = {};
  readonly fatal: string[] = [];
  connected = false;
  over = false;

  event(...words: unknown[]): void {
    this.events.push(words.map(String).join(" "));
  }

  /** A callback that notes whether it was told an error. */
  callback(name: string, then?: () => void): (error?: unknown) => void {
    this.callbacks[name] ??= [];
    return (error) => {
      this.callbacks[name].push(error ? "error" : "ok");
      then?.();
    };
  }

  stream(name: string, stream: any): any {
    const life = this.streams[name] = [] as string[];
    for (const event of ["end", "finish", "close"]) stream.on(event, () => life.push(event));
    return stream;
  }
}

/** The host of the peer that leaves. */
interface Leaver {
  /** Whether it has left. */
  isGone(): boolean;
  destroy(): void;
}

/** The peer that leaves: at once, when it is connected, or at the first message on channel 0. */
async function leave(
  moment: string,
  to: number | undefined,
  announce: (port: number) => void,
): Promise<Leaver> {
  const host = await create(to === undefined ? "createServer" : "createClient");
  let gone = false;
  const go = (peer: any) => {
    if (gone) return;
    gone = true;
    if (way === "killed") process.kill(process.pid, "SIGKILL");
    else peer[way](5);
  };
  const serve = (peer: any) => {
    peer.on("message", (_packet: any, channel: number) => {
      if (channel === 0) go(peer);
    });
    if (moment === "connected") return go(peer);
    if (moment !== "reading") return;
    const stream = peer.createWriteStream(1);
    stream.on("error", () => {});
    const feed = setInterval(() => {
      if (gone) clearInterval(feed);
      else stream.write(Buffer.alloc(2000, 1));
    }, 2);
  };
  host.start(2);
  if (to === undefined) {
    host.on("connect", serve);
    announce(host.address().port);
    if (moment === "connecting") go(undefined);
  } else {
    const address = { address: "127.0.0.1", port: to };
    const peer = host.connect(address, 3, 9, (error: unknown) => error || serve(peer));
    if (moment === "connecting") {
      host.flush();
      go(peer);
    }
  }
  return { isGone: () => gone, destroy: () => host.destroy() };
}

/** The same as a process of its own. */
async function leaveElsewhere(
  moment: string,
  to: number | undefined,
  announce: (n: number) => void,
): Promise<Leaver> {
  const file = fileURLToPath(import.meta.url);
  const args = ["leaver", role, way, moment, node, oldFolder, String(to ?? 0)];
  const flags = ["--disable-warning=DEP0005", "--disable-warning=ExperimentalWarning"];
  const child = spawn(node, [...flags, file, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout });
  lines.once("line", (line) => announce(Number(line)));
  await new Promise((resolve) => lines.once("close", resolve));
  return { isGone: () => true, destroy() {} };
}

/** What the observer does with a peer that is connected. */
function observe(log: Log, host: any, peer: any, moment: string): void {
  // The package cannot be hurried. An end that is told must not be taken for silence on a busy machine.
  if (isSilent) peer.timeout?.({ limit: 4, minimumMs: 2000, maximumMs: 4000 });
  const reading = log.stream("reading", peer.createReadStream(1));
  const writing = log.stream("writing", peer.createWriteStream(0));
  const duplex = log.stream("duplex", peer.createDuplexStream(2));
  let chunks = 0;
  reading.on("data", () => {
    if (++chunks === 20) peer.send(0, "go", log.callback("go"));
  });
  duplex.on("data", () => {});
  switch (moment) {
    case "writing":
      for (let i = 0; i < 60; i++) {
        peer.send(0, Buffer.alloc(20_000), log.callback("send"));
        writing.write(Buffer.alloc(20_000), log.callback("write"));
        duplex.write(Buffer.alloc(20_000), log.callback("duplex write"));
      }
      break;
    case "ended":
      writing.write("more", log.callback("write"));
      writing.end("last", log.callback("end"));
      break;
    case "disconnect":
    case "disconnectLater":
      writing.write("leave", log.callback("write"));
      peer.send(0, "leave", log.callback("send", () => peer[moment](7)));
  }
  peer.on("disconnect", (data: unknown) => {
    log.event("peer disconnect", data, peer.state(), host.peers().length);
    log.event("send", peer.send(0, "late", log.callback("late")));
    peer.ping().disconnect(1).disconnectLater(2).disconnectNow(3).reset();
    host.broadcast(0, Buffer.from("to the others"));
    log.event("address", peer.address().address);
    for (const kind of ["Read", "Write", "Duplex"]) peer[`create${kind}Stream`](0)?.resume?.();
    log.over = true;
  });
}

const logs = new Set<Log>();

async function scenario(moment: string): Promise<void> {
  const log = new Log();
  logs.add(log);
  const isServer = role === "server";
  const host = await create(isServer ? "createServer" : "createClient");
  host.on("connect", (peer: any, data: unknown, outgoing: unknown) => {
    log.connected = true;
    log.event("host connect", data, outgoing, peer.address().address);
    observe(log, host, peer, moment);
  });
  host.on("message", () => {});
  host.on("destroy", () => log.event("destroy"));
  host.start(2);
  const begin = way === "killed" ? leaveElsewhere : leave;
  const leaver = await begin(moment, isServer ? host.address().port : undefined, (port) => {
    const callback = log.callback("connect");
    const peer = host.connect({ address: "127.0.0.1", port }, 3, 8, callback);
    peer.on("connect", () => log.event("peer connect"));
    peer.on("disconnect", () => log.over = true);
  });
  const deadline = performance.now() + 120_000;
  // A server may never hear of a peer that leaves as it connects.
  let unheard = Infinity;
  while (!log.over && performance.now() < deadline) {
    const now = performance.now();
    if (unheard === Infinity && leaver.isGone()) unheard = now + 1000;
    if (!log.connected && isServer && now > unheard) break;
    await sleep(5);
  }
  // npm's package has no event for the end of its work, so both modules get the same time for late events.
  await sleep(300);
  host.destroy();
  leaver.destroy();
  await sleep(100);
  logs.delete(log);
  const { events, callbacks, streams, fatal } = log;
  process.stdout.write(`${JSON.stringify({ moment, events, callbacks, streams, fatal })}\n`);
}

if (folder === "leaver") {
  const to = role === "server" ? Number(port) : undefined;
  await leave(moments, to, (port) => process.stdout.write(`${port}\n`));
} else {
  process.removeAllListeners("uncaughtException"); // That package has one, which ends the process.
  process.on("uncaughtException", (error: any) => {
    for (const { fatal } of logs) fatal.push(String(error?.message ?? error));
  });
  let last = Promise.resolve();
  for (const moment of moments.split(",")) {
    const current = scenario(moment);
    // Silent ends are waited for at the same time.
    if (!isSilent) await current;
    last = Promise.all([last, current]).then(() => {});
  }
  await last;
  process.exit();
}
