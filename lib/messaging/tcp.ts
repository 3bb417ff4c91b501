/**
 * Messages as frames of a stream.
 *
 * @module
 */
import { lookup } from "node:dns/promises";
import { once } from "node:events";
import net, { type AddressInfo, type Server, type Socket } from "node:net";
import process from "node:process";
import tls from "node:tls";
import { detectRuntime } from "../../ffi/runtime.ts";
import { beginTask, endTask, Later, spent, TURN_BUDGET_MS } from "../internal/turn.ts";
import { ENetError } from "../errors.ts";
import { systemError } from "../internal/system_error.ts";
import { formatAddress } from "./address.ts";
import { encodeHeader } from "./encode.ts";
import { FrameDecoder } from "./frames.ts";
import { Handshakes } from "./handshakes.ts";
import type { Link } from "./link.ts";
import type { ConnectPlan, LinkPlan, ListenPlan } from "./options.ts";
import type { Place } from "./place.ts";
import { Refused } from "./refused.ts";
import { SocketDeadline } from "./socket_deadline.ts";
import type { Transport } from "./transport.ts";
import type { MessengerAddress } from "./types.ts";
import { largestMessage, LENGTH_BYTES, TYPE } from "./wire.ts";

/**
 * Frames of one turn are gathered in pieces. Pieces are small at first, because each idle connection has one. They
 * grow when the frames of one turn take more than half of a piece.
 */
const SMALLEST_PIECE_BYTES = 512;
const PIECE_BYTES = 64 * 1024;

class TcpTransport implements Transport {
  readonly address: MessengerAddress;
  readonly #socket: Socket;
  readonly #link: Link;
  readonly #plan: LinkPlan;
  readonly #frames: FrameDecoder;
  readonly #rest: Later = new Later(() => this.#read());
  /** Frames of this turn; those before `#from` are the socket's already. */
  #piece = new Uint8Array(0);
  #pieceBytes = SMALLEST_PIECE_BYTES;
  #from = 0;
  #to = 0;
  #isFlushDue = false;
  /** Bytes that the socket has been given and the system has not taken. */
  #writing = 0;
  /** Frames stay in the piece until the system takes more. */
  #isGathering = false;
  #isFull = false;
  #drained: PromiseWithResolvers<void> | undefined;
  #isPaused = false;
  /** This side has sent, or will send, nothing more. */
  #isOver = false;
  #error: Error | undefined;
  /** How the stream has ended, while what has come before is still to be read. */
  #broken: string | undefined;

  constructor(socket: Socket, link: Link, plan: LinkPlan, address: MessengerAddress) {
    this.#socket = socket;
    this.#link = link;
    this.#plan = plan;
    this.address = address;
    this.#frames = new FrameDecoder(largestMessage(plan.maximumMessageSize));
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#receive(plain(chunk as Uint8Array<ArrayBuffer>)));
    socket.on("end", () => this.#end("the other side ended the stream without closing"));
    socket.on("error", (error) => {
      this.#error = error;
    });
    socket.on("close", () => {
      this.#abandonDrain();
      const why = this.#error === undefined ? "" : `: ${this.#error.message}`;
      this.#end(`the stream broke${why}`);
    });
  }

  get queuedBytes(): number {
    return this.#writing + this.#to - this.#from;
  }

  // Writing.

  write(message: Uint8Array, _flags?: number): boolean {
    if (this.#isOver) return false;
    const { length } = message;
    let at = this.#to;
    if (at + LENGTH_BYTES + length > this.#piece.length) at = this.#nextPiece(length);
    const piece = this.#piece;
    piece[at] = length >>> 24;
    piece[at + 1] = length >>> 16;
    piece[at + 2] = length >>> 8;
    piece[at + 3] = length;
    piece.set(message, at + LENGTH_BYTES);
    this.#to = at + LENGTH_BYTES + length;
    if (!this.#isFlushDue) {
      this.#isFlushDue = true;
      // Behind what the program does in this turn, also in promises.
      queueMicrotask(() => process.nextTick(() => this.#flushLate()));
    }
    this.#isFull ||= this.queuedBytes > this.#plan.highWaterMark;
    return !this.#isFull;
  }

  #nextPiece(length: number): number {
    const isBusy = this.#to - this.#from > this.#pieceBytes / 2;
    if (isBusy && this.#pieceBytes < PIECE_BYTES) this.#pieceBytes *= 2;
    this.#hand();
    this.#piece = new Uint8Array(Math.max(this.#pieceBytes, LENGTH_BYTES + length));
    return this.#from = this.#to = 0;
  }

  #flushLate(): void {
    this.#isFlushDue = false;
    this.flush();
  }

  flush(): void {
    if (this.#to > this.#from) this.#link.sent();
    // While the other side does not read, many small writes would take far more memory than their bytes.
    if (this.#writing >= PIECE_BYTES) this.#isGathering = true;
    else this.#hand();
  }

  /** Gives the gathered frames to the socket. The socket keeps the piece until the system has taken it. */
  #hand(): void {
    const size = this.#to - this.#from;
    if (size === 0 || this.#socket.destroyed) return;
    this.#writing += size;
    this.#socket.write(this.#piece.subarray(this.#from, this.#to), () => this.#written(size));
    this.#from = this.#to;
  }

  #written(size: number): void {
    this.#writing -= size;
    if (this.#isGathering && this.#writing < PIECE_BYTES) {
      this.#isGathering = false;
      this.#hand();
    }
    if (!this.#isFull || this.queuedBytes > this.#plan.highWaterMark / 2) return;
    this.#isFull = false;
    this.#drained?.resolve();
    this.#drained = undefined;
  }

  drain(): Promise<void> {
    if (!this.#isFull) return Promise.resolve();
    this.#drained ??= Promise.withResolvers();
    return this.#drained.promise;
  }

  #abandonDrain(): void {
    const text = `Connection ${formatAddress(this.address)}: it has ended`;
    this.#drained?.reject(new ENetError("ENETJS_ERR_STALE", text));
    this.#drained = undefined;
  }

  // Reading.

  #receive(chunk: Uint8Array<ArrayBuffer>): void {
    if (this.#isOver) return;
    beginTask();
    this.#frames.push(chunk);
    this.#link.heard();
    this.#read();
    endTask();
  }

  /** Hands frames out, until the turn is spent or no complete one is left. */
  #read(): void {
    const frames = this.#frames;
    while (!this.#isOver && !this.#waits) {
      if (spent(TURN_BUDGET_MS)) {
        this.#socket.pause();
        return this.#rest.request();
      }
      if (frames.next()) {
        this.#link.frame(frames.buffer, frames.start, frames.end, true);
        continue;
      }
      if (frames.fault !== undefined) return this.#link.fault(frames.fault);
      if (this.#broken !== undefined) return this.#link.broken(this.#broken, this.#error);
      if (this.#socket.isPaused()) this.#socket.resume();
      return;
    }
    // This side has closed after the stream had ended, and before that could be told.
    if (this.#isOver && this.#broken !== undefined) this.#link.broken(this.#broken, this.#error);
  }

  /** Whether the program is not ready for more. Once the stream has ended, there is nothing to hold back. */
  get #waits(): boolean {
    return this.#isPaused && this.#broken === undefined;
  }

  #end(text: string): void {
    this.#broken ??= text;
    if (!this.#rest.isWaiting) this.#read();
  }

  pause(paused: boolean): void {
    this.#isPaused = paused;
    if (paused) this.#socket.pause();
    else this.#rest.request();
  }

  silence(): undefined {}

  // The end.

  finish(code: number): void {
    this.#abandonDrain();
    this.write(encodeHeader(TYPE.CLOSE, code));
    this.#leave();
  }

  release(): void {
    this.#abandonDrain();
    this.#leave();
    new SocketDeadline(this.#socket, this.#plan.closeGraceMs);
  }

  /** Sends what is queued and FIN; what arrives is dropped until the other side has ended, too. */
  #leave(): void {
    this.#isOver = true;
    this.#hand();
    this.#socket.end();
    this.#socket.resume();
  }

  abort(): void {
    this.#abandonDrain();
    this.#isOver = true;
    this.#socket.destroy();
  }
}

/** The same bytes as no `Buffer`, whose `slice` is a view of the same memory. */
function plain({ buffer, byteOffset, length }: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer, byteOffset, length);
}

/** The other side of a socket; an IPv4 address that an IPv6 socket shows as its own is one of IPv4. */
function remoteOf({ remoteAddress = "", remotePort = 0 }: Socket): MessengerAddress {
  const hostname = remoteAddress.replace(/^::ffff:(?=\d+\.)/, "");
  return { protocol: "tcp", hostname, port: remotePort };
}

/**
 * Has a server listen. Deno would not reject where it does not permit that, but end the program.
 *
 * @returns the address with the real port
 */
async function bind(
  server: Server,
  { hostname, port }: MessengerAddress,
): Promise<MessengerAddress> {
  const name = hostname === "*" ? "0.0.0.0" : hostname;
  const host = net.isIP(name) > 0 ? name : (await lookup(name)).address;
  if (!await detectRuntime().mayListen(host, port)) {
    throw Object.assign(new Error("run with --allow-net"), { code: "EACCES" });
  }
  server.listen({ host, port });
  await once(server, "listening");
  const local = server.address() as AddressInfo;
  return { protocol: "tcp", hostname: local.address, port: local.port };
}

/** Listens, and makes a link of each client. */
export async function listenTcp(
  address: MessengerAddress,
  plan: ListenPlan,
  open: () => Link,
  onFailure: (error: Error) => void,
): Promise<Place> {
  const links = new Set<Link>();
  const refused = new Refused(plan.connections, plan.closeGraceMs);
  const closed = Promise.withResolvers<void>();
  const server = plan.tls === undefined ? net.createServer() : tls.createServer({
    ...plan.tls,
    requestCert: plan.tls.ca !== undefined,
    rejectUnauthorized: plan.tls.ca !== undefined,
    handshakeTimeout: plan.handshakeMs,
  });
  const handshakes = plan.tls && new Handshakes(server, plan.connections);
  const accept = (socket: Socket) => {
    handshakes?.over(socket);
    if (!server.listening) return socket.destroy();
    if (!makeRoom(links, plan.connections)) return refused.add(socket);
    const link = open();
    links.add(link);
    socket.once("close", () => links.delete(link));
    link.transport = new TcpTransport(socket, link, plan, remoteOf(socket));
    link.machine.start(performance.now());
    link.opened();
  };
  server.on(plan.tls === undefined ? "connection" : "secureConnection", accept);
  const local = await bind(server, address).catch((error) => {
    throw systemError(error, `Listening on ${formatAddress(address)}`);
  });
  server.on(
    "error",
    (error) => onFailure(systemError(error, `Listener ${formatAddress(address)}`)),
  );
  return {
    address: local,
    stop() {
      // Also in the handshake, nobody comes any more who could hold up the end.
      server.close(() => closed.resolve());
      handshakes?.drop();
      refused.drop();
      for (const link of links) {
        if (link.machine.state === "opening") link.broken("the listener was closed");
      }
    },
    close: () => closed.promise,
  };
}

/** Whether there is room for one more; a client that has sent nothing yet makes room, the oldest first. */
function makeRoom(links: Set<Link>, connections: number): boolean {
  if (links.size < connections) return true;
  for (const link of links) {
    if (link.machine.state !== "opening") continue;
    links.delete(link);
    link.broken("others need the room");
    return true;
  }
  return false;
}

/** Begins to connect; the link is ready, or has failed, later. */
export function connectTcp(address: MessengerAddress, plan: ConnectPlan, link: Link): void {
  const { hostname: host, port } = address;
  const socket = plan.tls === undefined ? net.connect({ host, port }) : tls.connect({
    host,
    port,
    ca: plan.tls.ca,
    cert: plan.tls.cert,
    key: plan.tls.key,
    servername: plan.tls.serverName ?? (net.isIP(host) === 0 ? host : undefined),
  });
  link.transport = new TcpTransport(socket, link, plan, address);
  link.machine.start(performance.now());
  socket.once(plan.tls === undefined ? "connect" : "secureConnect", () => link.opened());
}

/** The error of an attempt whose socket has failed. */
export function connectError(error: Error, address: MessengerAddress): ENetError {
  return systemError(error, `Connecting to ${formatAddress(address)}`);
}
