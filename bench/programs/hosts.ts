/**
 * What hosts take that wait for connections; the counterpart of bench/c/hosts.c.
 *
 *     hosts.ts STYLE COUNT
 */
import process from "node:process";
import { Host } from "../../mod.ts";
import { hasPump, HOSTNAME, say, type Style } from "./_common.ts";

const style = process.argv[2] as Style;
const count = Number(process.argv[3]);

async function open(): Promise<Host> {
  const host = await Host.listen(
    { hostname: HOSTNAME, pump: hasPump(style) },
    style === "handler" ? {} : undefined,
  );
  host.flush();
  return host;
}

const hosts = [await open()]; // which loads what all of them share
const before = process.memoryUsage().rss;
while (hosts.length <= count) hosts.push(await open());
say("memory", process.memoryUsage().rss - before);
await Promise.all(hosts.map((host) => host.close()));
