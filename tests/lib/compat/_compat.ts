/**
 * What the tests of `lib/compat` share.
 *
 * @module
 */
import { once } from "node:events";
import {
  createClientAsync,
  createServerAsync,
  type Host,
  type HostOptions,
  type Peer,
} from "../../../lib/compat/mod.ts";
import { withDeadline } from "../../_helpers.ts";

/** Two hosts of this process that are connected. */
export interface CompatPair extends Disposable {
  readonly server: Host;
  readonly client: Host;
  /** The client's peer: the server. */
  readonly peer: Peer;
  /** The server's peer: the client. */
  readonly remote: Peer;
}

/** Where a server listens, for those who connect to it. */
export function addressOf(host: Host): { address: string; port: number } {
  const address = host.address();
  if (address === undefined) throw new Error("the host is not open");
  return address;
}

/** Waits for an event and returns what its listeners are given. */
// deno-lint-ignore no-explicit-any -- events differ in what they give
export async function next(emitter: Host | Peer, name: string, ms = 30_000): Promise<any[]> {
  // deno-lint-ignore no-explicit-any -- the types know only the names of this class's events
  return await withDeadline(once(emitter as any, name), ms, `"${name}"`);
}

/** Connects two hosts on the loopback address. */
export async function compatPair(
  options: { server?: HostOptions; client?: HostOptions; through?: number } = {},
): Promise<CompatPair> {
  using stack = new DisposableStack();
  const server = stack.use(await createServerAsync({ address: "127.0.0.1:0", ...options.server }));
  const client = stack.use(await createClientAsync(options.client));
  server.start();
  const connected = next(server, "connect");
  const { address, port } = addressOf(server);
  const peer = await client.connectAsync({ address, port: options.through ?? port });
  const [remote] = await connected;
  const hosts = stack.move();
  return { server, client, peer, remote, [Symbol.dispose]: () => hosts.dispose() };
}
