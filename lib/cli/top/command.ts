/**
 * The command `enet top`: the hosts and peers of a program that serves its metrics.
 *
 * @module
 */
import process from "node:process";
import { type Command, command } from "../frame/command.ts";
import { UsageError } from "../frame/options.ts";
import { readSecret } from "../frame/secrets.ts";
import { StatusClient } from "./client.ts";
import { LINES, OPERANDS, OPTIONS, type TopTerminal, type TopValues } from "./options.ts";
import { Watch } from "./watch.ts";

/** The environment variable with the token. */
const TOKEN_VARIABLE = "ENETJS_METRICS_TOKEN";

/** Disconnects a peer, and tells it. @returns the exit status */
async function kick(
  client: StatusClient,
  { kick: peer, host }: TopValues,
  terminal: TopTerminal,
): Promise<number> {
  const { hosts, allowKick } = await client.look({ sort: "traffic", filter: "", peers: 0 });
  if (!allowKick) throw new Error(`${client.url} does not allow it: see allowKick of serveMetrics`);
  const name = host ?? (hosts.length === 1 ? hosts[0].host : undefined);
  if (name === undefined) {
    throw new UsageError(
      `say which host, with --host: ${hosts.map(({ host }) => host).join(", ")}`,
    );
  }
  const kicked = await client.kick(name, peer!);
  const text = kicked ? `peer ${peer} is disconnected` : `there is no peer ${peer}`;
  terminal.print("kick", { host: name, peer: peer!, kicked }, text);
  return kicked ? 0 : 1;
}

async function runTop(values: TopValues, terminal: TopTerminal): Promise<number> {
  const { url, "token-file": file, kick: peer, host } = values;
  if (host !== undefined && peer === undefined) {
    throw new UsageError("--host is for --kick: add it");
  }
  const token = file === undefined
    ? process.env[TOKEN_VARIABLE]
    : await readSecret("--token-file", file, terminal);
  const client = new StatusClient(url, token || undefined, terminal.stop);
  if (peer !== undefined) return await kick(client, values, terminal);
  return await new Watch(client, values, terminal).run();
}

/** The command. */
export const top: Command = command({
  name: "top",
  summary: "Watch the hosts and peers of a program that serves its metrics",
  operands: OPERANDS,
  options: OPTIONS,
  lines: LINES,
  example: "enet top http://127.0.0.1:9464/ --sort loss",
  notes: [
    "The program calls serveMetrics of @enetjs/enet/metrics. URL is where its page is. The token comes from " +
    `--token-file or from the environment variable ${TOKEN_VARIABLE}.`,
    "Keys: t, r, l and u order by traffic, round trip, loss and queue; / filters by address; k disconnects a " +
    "peer, where the program allows it; q and Ctrl-C end.",
    "IN and OUT are bytes a second, of the last one to two seconds. LOSS is that of the direction that loses " +
    "more, of the last 5 to 10 s. Exit status: 0 when it is done, 1 when the program does not answer at first, " +
    "2 for wrong usage.",
  ],
  run: runTop,
});
