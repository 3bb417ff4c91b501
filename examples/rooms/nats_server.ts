/** The server of NATS for the example: the one that runs, or one that is started. */
import { spawn } from "node:child_process";
import { connect } from "node:net";

/** A server of NATS. */
export interface NatsServer {
  readonly address: string;
  /** Ends it, if it was started here. */
  stop(): void;
}

/** Debian's package puts it into a folder that only root has in its PATH. */
const COMMANDS = ["nats-server", "/usr/sbin/nats-server"];

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
    socket.on("data", () => socket.destroy());
  });
}

/** Starts a server. Resolves with what ends it, or with undefined where there is no such command. */
function start(command: string, port: number): Promise<(() => void) | undefined> {
  return new Promise((resolve) => {
    const child = spawn(command, ["-a", "127.0.0.1", "-p", String(port)], { stdio: "ignore" });
    child.on("error", () => resolve(undefined));
    child.on("spawn", () => resolve(() => void child.kill()));
  });
}

/** Uses the server on a port of this machine, or starts one there. */
export async function useNats(port: number): Promise<NatsServer> {
  const address = `127.0.0.1:${port}`;
  if (await answers(port)) return { address, stop() {} };
  for (const command of COMMANDS) {
    const stop = await start(command, port);
    if (stop === undefined) continue;
    while (!await answers(port)) await new Promise((resolve) => setTimeout(resolve, 20));
    console.log(`started ${command} on port ${port}`);
    return { address, stop };
  }
  throw new Error("nats-server was not found; install it: apt-get install nats-server");
}
