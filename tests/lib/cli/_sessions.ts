/**
 * A session of each command, as the documentation has it: what somebody types, and what it prints. The commands run within
 * this process, against servers of this process.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { COMMANDS } from "../../../lib/cli/commands.ts";
import { announce } from "../../../lib/discovery/mod.ts";
import { serveMetrics } from "../../../lib/metrics/mod.ts";
import { Host } from "../../../mod.ts";
import { root } from "../../../tools/_run.ts";
import { until } from "../../_helpers.ts";
import { newPlace, type Place as Discovery } from "../discovery/_discovery.ts";
import { interrupt, type Outcome, outputOf, runHere } from "./_run.ts";

/** The port that sessions show. */
const SHOWN_PORT = 7777;

/** The address of metrics that sessions show. */
const SHOWN_METRICS = "http://localhost:9464/";

/** Where a session takes place. */
interface Place {
  /** An echo server. */
  readonly port: number;
  /** An empty folder. */
  readonly folder: string;
  /** Where a server is announced. */
  readonly discovery: Discovery;
  /** Where a server with one client serves its metrics. */
  readonly metrics: string;
}

/** Something that is typed. */
interface Step {
  /** The line, as it is shown. */
  readonly typed: string;
  /** The arguments; the first one is the command. */
  readonly args: (place: Place) => string[];
  readonly input?: string;
  /** Whether it is shown as if it ended without Ctrl-C. */
  readonly endsByItself?: boolean;
  /** Called as soon as it prints something; it ends by Ctrl-C afterwards. */
  readonly meanwhile?: (printed: () => string) => Promise<unknown>;
}

/** The options that say where to look. */
function whereOf({ discoveryPort, interfaces: [name] }: Discovery): string[] {
  return ["--discovery-port", `${discoveryPort}`, "--interface", name];
}

/** A step that is run as it is typed. */
function typed(line: string, input?: string): Step {
  const words = line.replace(/^.*\| /, "").replace(/ &$/, "").split(" ").slice(1);
  const args = ({ port, folder, discovery, metrics }: Place) =>
    words.map((word) =>
      word.replace(`localhost:${SHOWN_PORT}`, `127.0.0.1:${port}`)
        .replace(SHOWN_METRICS, metrics)
        .replace(/^(load\.html|host\.key|alice\.token|issuer\.key)$/, `${folder}/$1`)
    ).concat(words[0] === "discover" ? whereOf(discovery) : []);
  return { typed: line, args, input };
}

/** The sessions, by the names of the commands. */
export const SESSIONS: Readonly<Record<string, readonly Step[]>> = {
  ping: [typed("enet ping localhost:7777 -c 3 -i 100ms")],
  serve: [{
    ...typed("enet serve chat --port 7777 --verbose"),
    args: () => ["serve", "chat", "--port", "0", "--addr", "127.0.0.1", "--verbose"],
    async meanwhile(printed) {
      const address = printed().match(/on (\S+)/)![1];
      await outputOf(["connect", address, "--linger", "0"], { input: "hello\n" });
      await until(() => printed().includes("left"), 30_000, "the end of the connection");
    },
  }],
  connect: [{
    ...typed("echo hello | enet connect localhost:7777", "hello\n"),
    // It ends when it has printed the answer, however long that takes.
    args: ({ port }) => ["connect", `127.0.0.1:${port}`, "--linger", "60s"],
    meanwhile: () => Promise.resolve(),
    endsByItself: true,
  }],
  bench: [typed("enet bench --local --seconds 0.2")],
  load: [
    typed("enet load localhost:7777 --peers 20 --ramp 200ms --seconds 1.3 --report load.html"),
  ],
  top: [typed(`enet top ${SHOWN_METRICS} --count 1`)],
  discover: [typed("enet discover star-chase --count 1 --timeout 10s")],
  sim: [{
    ...typed(`enet sim --to localhost:${SHOWN_PORT} --preset mobile-bad`),
    async meanwhile(output) {
      const address = output().match(/^(\S+) leads to/m)![1];
      await outputOf(["ping", address, "-c", "1"]);
    },
  }],
  sniff: [{
    ...typed("enet sniff examples/capture.pcapng --count 4"),
    args: () => ["sniff", `${root}/examples/capture.pcapng`, "--count", "4"],
  }],
  gateway: [{
    ...typed("enet gateway --to localhost:7777"),
    args: (
      { port },
    ) => ["gateway", "--to", `127.0.0.1:${port}`, "--addr", "127.0.0.1", "--port", "0"],
    meanwhile: () => Promise.resolve(),
  }],
  keygen: [
    typed("enet keygen --out host.key"),
    typed("enet keygen --from host.key --json"),
  ],
  token: [
    typed("enet keygen --kind issuer --out issuer.key"),
    typed("enet token --key issuer.key --client-id alice --out alice.token"),
    typed("enet token --read alice.token"),
  ],
  completion: [typed("enet completion fish")],
};

/** What a long output is cut to. */
const MOST_LINES = 12;

/** Runs a step. @returns what a terminal shows */
async function runStep(step: Step, place: Place): Promise<Outcome> {
  let printed = "";
  const running = runHere(step.args(place), {
    input: step.input,
    // Of standard error, too: a gateway says there where it listens.
    onOutput: (text) => printed += text,
  });
  if (step.meanwhile !== undefined) {
    await until(() => printed.includes("\n"), 30_000, "its first line");
    await step.meanwhile(() => printed);
    interrupt();
  }
  return await running;
}

/** What is shown in place of what differs from machine to machine. */
function shown(text: string, { port, folder }: Place): string {
  return text.replaceAll(`127.0.0.1:${port}`, `localhost:${SHOWN_PORT}`)
    .replaceAll(`${folder}/`, "")
    .replace(/(chat on )127\.0\.0\.1:\d+/, `$1[::]:${SHOWN_PORT}`)
    .replace(/(ws:\/\/)127\.0\.0\.1:\d+/, "$10.0.0.0:7890");
}

/** A server with one client, and its metrics. */
class Watched implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;
  readonly url: string;

  private constructor(stack: AsyncDisposableStack, url: string) {
    this.#stack = stack;
    this.url = url;
  }

  static async open(): Promise<Watched> {
    await using stack = new AsyncDisposableStack();
    const host = stack.use(await Host.listen({ hostname: "127.0.0.1" }, {}));
    const client = stack.use(await Host.create());
    await client.connect(host.address);
    const isMeasured = () => host.peers.some(({ stats }) => stats.smoothedRoundTripMs > 0);
    await until(isMeasured, 30_000, "a round trip");
    const { url } = stack.use(await serveMetrics(host));
    return new Watched(stack.move(), url);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

/** Runs all sessions. @returns their texts, by the names of the commands */
export async function recordSessions(): Promise<Map<string, string>> {
  const folder = mkdtempSync(`${tmpdir()}/enetjs-session-`);
  await using server = await Host.listen({ hostname: "127.0.0.1", peers: 64 }, {
    receive: (peer, channelId, packet) => void peer.send(channelId, packet, packet.flags),
  });
  const discovery = { ...await newPlace(), game: "star-chase" };
  using _announcement = await announce(server, { ...discovery, name: "Alice's game" });
  await using watched = await Watched.open();
  const { url: metrics } = watched;
  const place = { port: server.address.port, folder, discovery, metrics };
  const texts = new Map<string, string>();
  try {
    for (const { name } of COMMANDS) {
      let text = "";
      for (const step of SESSIONS[name] ?? []) {
        const { stdout, stderr } = await runStep(step, place);
        const lines = shown(stdout + stderr, place).split("\n");
        const rest = lines.length > MOST_LINES ? [...lines.slice(0, MOST_LINES), "…", ""] : lines;
        const end = step.meanwhile === undefined || step.endsByItself ? "" : "^C";
        text += `$ ${step.typed}\n${end === "" ? rest.join("\n") : withInterrupt(rest)}`;
      }
      texts.set(name, text);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return texts;
}

/** Shows where Ctrl-C was typed: before the last line. */
function withInterrupt(lines: readonly string[]): string {
  const body = lines.slice(0, -1);
  const last = body.length > 1 ? body.slice(-1) : [];
  return [...body.slice(0, body.length - last.length), "^C", ...last, ""].join("\n");
}

/** A text without what differs from time to time: numbers, keys and tokens. */
export function masked(text: string): string {
  return text.replace(/\b(host|issuer)_(public|secret)_[\w-]+|\btoken_[\w-]+/g, "KEY")
    .replace(/\b[0-9a-f]{16,}\b/g, "ID")
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
    .replace(/\d[\d,.]*/g, "N")
    // What a busy machine adds.
    .replace(
      / \(retransmitted\)|, N retransmitted|enet load: This process was too busy[^]*?several processes\./g,
      "",
    )
    .replace(/\s+/g, " ");
}
