/**
 * Servers of NATS for tests: alone, or in a cluster.
 *
 * @module
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { natsServer } from "../tools/others.ts";
import { type Program, spawnProgram, until } from "./_helpers.ts";

export { natsServer };

/** A running server. Disposing of it kills it. */
export interface NatsServer extends AsyncDisposable {
  /** Where clients connect. */
  readonly url: string;
  /** Where other servers connect. */
  readonly routes: string;
  /** The process, to stop and to continue it. */
  readonly program: Program;
  /** Kills it and starts it again on the same ports. */
  restart(): Promise<void>;
}

/** How to start one. */
export interface NatsServerOptions {
  /** Whether it has JetStream. Default true. */
  jetStream?: boolean;
  /** Makes it a member of a cluster, with these others. */
  routes?: readonly string[];
  /** Where the others reach it, if that is not where it listens. */
  advertise?: string;
}

/** The ports in the file that a server has written into its folder, once it has written all of it. */
function portsIn(folder: string): { nats: string[]; cluster?: string[] } | undefined {
  const file = readdirSync(folder).find((name) => name.endsWith(".ports"));
  if (file === undefined) return undefined;
  try {
    return JSON.parse(readFileSync(`${folder}/${file}`, "utf8"));
  } catch {
    return undefined;
  }
}

/** Starts a server. */
export async function startNats(
  { jetStream = true, routes, advertise }: NatsServerOptions = {},
): Promise<NatsServer> {
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(`${tmpdir()}/enetjs-nats-`);
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const start = (port: string, clusterPort: string) => {
    const cluster = routes === undefined ? [] : [
      "--cluster_name=test",
      `--cluster=nats://127.0.0.1:${clusterPort}`,
      ...advertise === undefined ? [] : [`--cluster_advertise=${advertise}`],
      ...routes.length > 0 ? [`--routes=${routes.join(",")}`] : [],
    ];
    const store = jetStream ? ["-js", "-sd", `${folder}/store`] : [];
    const ports = ["-a", "127.0.0.1", "-p", port, "--ports_file_dir", folder];
    return spawnProgram(natsServer()!, [...ports, ...store, ...cluster], { name: "nats-server" });
  };
  let program = start("-1", "-1");
  stack.defer(() => program[Symbol.asyncDispose]());
  const ports = await until(() => portsIn(folder), 30_000, "the ports of nats-server");
  const url = ports.nats[0].replace("nats://", "");
  const [route = ""] = ports.cluster ?? [];
  const kept = stack.move();
  return {
    url,
    routes: route,
    get program() {
      return program;
    },
    async restart() {
      await program[Symbol.asyncDispose]();
      program = start(url.split(":")[1], route.split(":").at(-1)!);
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
