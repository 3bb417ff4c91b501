/** The clients of `colyseus_server.ts`; see `_load.ts`. The folder of `@colyseus/sdk` is in `CLIENT`. */
import { createRequire } from "node:module";
import process from "node:process";
import { runLoad } from "./_load.ts";

interface Room {
  onMessage(type: string, listener: (bytes: Uint8Array) => void): void;
  sendBytes(type: string, bytes: Uint8Array): void;
}

interface Client {
  joinOrCreate(room: string, options: object): Promise<Room>;
}

const { Client } = createRequire(import.meta.url)(process.env.CLIENT!) as {
  Client: new (url: string) => Client;
};
const clients = new Map<number, Client>();

// A room of Colyseus is in one process.
await runLoad(async (port, name, receive) => {
  const client = clients.get(port) ?? new Client(`ws://127.0.0.1:${port}`);
  clients.set(port, client);
  const room = await client.joinOrCreate("chat", { chat: name });
  room.onMessage("message", receive);
  return { send: (bytes) => room.sendBytes("message", bytes) };
}, { spread: false });
