/**
 * A page that trusts what its environment says, by `NODE_EXTRA_CA_CERTS` or `DENO_CERT`. Each line of standard input is
 * a URL to connect to, or text to be sent on all connections there are; it prints what comes of it.
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { EnetSocket, type EnetSocketError } from "../../lib/gateway/browser/mod.ts";

const sockets: EnetSocket[] = [];

async function connect(url: string): Promise<void> {
  const number = sockets.length + 1;
  try {
    const socket = await EnetSocket.connect(url, { timeoutMs: 20_000 });
    sockets.push(socket);
    console.log(`connected ${number}`);
    for await (const { packet } of socket) console.log(`${number} got ${packet.text()}`);
  } catch (error) {
    console.log(`failed ${(error as EnetSocketError).code}`);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  if (line.startsWith("ws")) void connect(line);
  else for (const socket of sockets) socket.send(0, line);
}
process.exit();
