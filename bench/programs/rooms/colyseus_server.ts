/**
 * A server of Colyseus, whose rooms are in this process. Arguments: the folder of `@colyseus/ws-transport`, and a port that
 * is free.
 */
import { createRequire } from "node:module";
import process from "node:process";

/** A room of Colyseus, as far as it is used here. */
interface ColyseusRoom {
  maxClients: number;
  onMessageBytes(type: string, listener: (client: unknown, bytes: Uint8Array) => void): void;
  broadcastBytes(type: string, bytes: Uint8Array): void;
}

interface Core {
  readonly Room: new () => ColyseusRoom;
  readonly Server: new (options: object) => {
    define(name: string, room: unknown): { filterBy(keys: string[]): void };
    listen(port: number): Promise<void>;
  };
}

const [folder, port] = process.argv.slice(2);
const require = createRequire(`${folder}/package.json`);
const { Server, Room } = require("@colyseus/core") as Core;
const { WebSocketTransport } = require(folder) as { WebSocketTransport: new () => unknown };

class ChatRoom extends Room {
  override maxClients = 20;

  onCreate(): void {
    this.onMessageBytes("message", (_client, bytes) => this.broadcastBytes("message", bytes));
  }
}

const server = new Server({ transport: new WebSocketTransport(), greet: false });
server.define("chat", ChatRoom).filterBy(["chat"]);
await server.listen(Number(port));
console.log(`port ${port}`);
