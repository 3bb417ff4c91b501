/** The clients of `socketio_server.ts`; see `_load.ts`. The folder of `socket.io-client` is in `CLIENT`. */
import { createRequire } from "node:module";
import process from "node:process";
import { runLoad } from "./_load.ts";

interface Socket {
  on(event: string, listener: (bytes: Uint8Array) => void): void;
  emit(event: string, value: unknown): void;
}

const { io } = createRequire(import.meta.url)(process.env.CLIENT!) as {
  io(url: string, options: object): Socket;
};

await runLoad(async (port, room, receive) => {
  const socket = io(`http://127.0.0.1:${port}`, { transports: ["websocket"], forceNew: true });
  await new Promise<void>((resolve) => socket.on("connect", () => resolve()));
  socket.on("message", receive);
  socket.emit("join", room);
  return { send: (bytes) => socket.emit("message", bytes) };
});
