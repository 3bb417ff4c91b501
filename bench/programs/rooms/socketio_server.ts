/**
 * A server of Socket.IO with its Redis adapter. Arguments: the folders of `socket.io`, `@socket.io/redis-adapter` and
 * `redis`, then the port of the Redis server.
 */
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import process from "node:process";

interface Socket {
  on(event: string, listener: (value: never) => void): void;
  join(room: string): void;
}

interface Server {
  on(event: "connection", listener: (socket: Socket) => void): void;
  to(room: string): { emit(event: string, bytes: Uint8Array): void };
}

interface Redis {
  connect(): Promise<void>;
  duplicate(): Redis;
}

const [io, adapter, redis, port] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const { Server } = require(io) as { Server: new (http: unknown, options: object) => Server };
const { createAdapter } = require(adapter);
const client: Redis = require(redis).createClient({ url: `redis://127.0.0.1:${port}` });
const subscriber = client.duplicate();
await Promise.all([client.connect(), subscriber.connect()]);

const http = createServer();
const server = new Server(http, {
  adapter: createAdapter(client, subscriber),
  transports: ["websocket"],
});
server.on("connection", (socket) => {
  let room: string;
  socket.on("join", (name: string) => socket.join(room = name));
  socket.on("message", (bytes: Uint8Array) => server.to(room).emit("message", bytes));
});
http.listen(0, "127.0.0.1", () => console.log(`port ${(http.address() as AddressInfo).port}`));
