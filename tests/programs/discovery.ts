/**
 * A program on one side of discovery. Its argument is JSON:
 *
 * - `{ "announce": options, "listen": options }` announces a host, and prints `announced PORT`. With
 *   `"unref": true` beside them the process ends by itself, otherwise it stays.
 * - `{ "discover": options }` looks for a server, connects to the first one and prints `connected NAME ADDRESS`.
 *
 * @module
 */
import process from "node:process";
import { Host } from "../../mod.ts";
import { announce, discover } from "../../lib/discovery/mod.ts";

const given = JSON.parse(process.argv[2]);
if (given.announce !== undefined) {
  const host = await Host.listen(given.listen, {});
  await announce(host, given.announce);
  console.log(`announced ${host.address.port}`);
  if (given.unref) host.unref();
} else {
  await using client = await Host.create();
  for await (const { name, address } of discover(given.discover)) {
    const peer = await client.connect(address);
    console.log(`connected ${name} ${peer.address.hostname}`);
    break;
  }
}
