/**
 * Servers of NATS in a cluster, whose connections among each other can be cut: each runs through a relay.
 *
 * @module
 */
import { connect, createServer, type Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { type NatsServer, startNats } from "../../_nats.ts";

/** What passes TCP connections on, or does not. */
interface TcpRelay extends AsyncDisposable {
  readonly address: string;
  /** Where it leads. */
  port: number;
  cut: boolean;
}

async function openRelay(): Promise<TcpRelay> {
  const sockets = new Set<Socket>();
  let cut = false;
  const server = createServer((from) => {
    if (cut) return void from.destroy();
    const to = connect(relay.port, "127.0.0.1");
    for (const socket of [from, to]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        (socket === from ? to : from).destroy();
      });
    }
    from.pipe(to).pipe(from);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const relay: TcpRelay = {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    port: 0,
    get cut() {
      return cut;
    },
    set cut(value) {
      cut = value;
      if (cut) { for (const socket of sockets) socket.destroy(); }
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return relay;
}

/** Servers that know each other. */
export interface NatsCluster extends AsyncDisposable {
  readonly servers: readonly NatsServer[];
  readonly urls: string[];
  /** Whether the servers are cut off from each other. */
  partitioned: boolean;
}

/** Starts three servers. */
export async function startCluster(): Promise<NatsCluster> {
  await using stack = new AsyncDisposableStack();
  const relays: TcpRelay[] = [];
  const servers: NatsServer[] = [];
  for (let i = 0; i < 3; i++) {
    const relay = stack.use(await openRelay());
    const routes = relays.map(({ address }) => `nats://${address}`);
    const server = stack.use(
      await startNats({ jetStream: false, routes, advertise: relay.address }),
    );
    relay.port = Number(server.routes.split(":").at(-1));
    relays.push(relay);
    servers.push(server);
  }
  const kept = stack.move();
  return {
    servers,
    urls: servers.map(({ url }) => url),
    get partitioned() {
      return relays[0].cut;
    },
    set partitioned(cut) {
      for (const relay of relays) relay.cut = cut;
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
