/**
 * A connection until it is a client: TLS, the head of the request, the rules, the program's hook, and the answer.
 *
 * Each handshake ends in one of three ways: it is upgraded, refused with a status, or abandoned without an answer. It
 * holds no more than the head of the request, and is over when `handshakeTimeoutMs` has passed.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { type SecureContext, TLSSocket } from "node:tls";
import { surface } from "../../../ffi/surface.ts";
import { show } from "../../internal/validate.ts";
import type { SocketRequest, Verdict } from "./contract.ts";
import { formatLogLine } from "./log.ts";
import type { SocketPlan } from "./options.ts";
import { clientAddress } from "./proxies.ts";
import { HeadReader, parseRequest, Refusal } from "./request.ts";
import { chooseProtocol, examine } from "./rules.ts";

/** How long a refused client may take to read the answer, and a faulty one to read its close code. */
export const LINGER_MS = 1000;

/** A connection whose handshake has passed. */
export interface Passed {
  readonly stream: Socket;
  /** The address of this machine that the client has connected to; empty on a Unix socket. */
  readonly localAddress: string;
  readonly request: SocketRequest;
  readonly requestLine: string;
  /** The chosen subprotocol, or empty. */
  readonly protocol: string;
  /** What came behind the request: the beginning of the first frame. */
  readonly rest: Uint8Array;
  /** When the connection was accepted, by `performance.now()`. */
  readonly since: number;
}

/** What a handshake needs of its server. */
export interface HandshakeOwner {
  readonly plan: SocketPlan;
  /** Whether there is no room for one more client. */
  readonly isFull: boolean;
  /** The secure context for those that connect now, if the server has TLS. */
  readonly secureContext: SecureContext | undefined;
  /** The handshake has passed; its stream is the owner's. */
  passed(handshake: Handshake, passed: Passed): void;
  /** It was refused; its connection may live on for a moment. */
  refused(status: number): void;
  /** The connection has ended. */
  ended(handshake: Handshake, wasRefused: boolean): void;
  log(line: string): void;
}

/** An IPv4 address as it is, although it came over a socket for IPv6; empty where there is none. */
const plain = (address = "") => address.replace(/^::ffff:(?=\d+\.)/, "");

/** A handshake under way, or refused with its answer on the way. */
export class Handshake {
  readonly #owner: HandshakeOwner;
  readonly #raw: Socket;
  readonly #stream: Socket;
  readonly #since = performance.now();
  /** The IP address of the client, or of the proxy before it; empty on a Unix socket. */
  readonly address: string;
  readonly #localAddress: string;
  readonly #port: number;
  readonly #reader = new HeadReader();
  #timer: ReturnType<typeof setTimeout>;
  #state: "reading" | "deciding" | "refused" | "over" = "reading";
  #request: SocketRequest | undefined;
  readonly #onData = (chunk: Uint8Array) => this.#read(chunk);
  readonly #onClose = () => this.#end();

  constructor(raw: Socket, owner: HandshakeOwner) {
    this.#owner = owner;
    this.#raw = raw;
    this.address = plain(raw.remoteAddress);
    this.#localAddress = plain(raw.localAddress);
    this.#port = raw.remotePort ?? 0;
    this.#timer = setTimeout(() => this.#expire(), owner.plan.handshakeTimeoutMs);
    raw.on("error", () => {});
    const { secureContext } = owner;
    this.#stream = raw;
    if (secureContext !== undefined) {
      this.#stream = new TLSSocket(raw, { isServer: true, secureContext });
      // A client that speaks no TLS, or none that is new enough.
      this.#stream.on("error", () => raw.destroy());
      this.#stream.on("close", () => raw.destroy());
    }
    raw.on("close", this.#onClose);
    this.#stream.on("data", this.#onData);
  }

  /** Ends it without an answer. */
  abandon(): void {
    this.#end();
    this.#stream.destroy();
    this.#raw.destroy();
  }

  /** Answers that the server goes away. */
  dismiss(): void {
    if (this.#state === "reading" || this.#state === "deciding") {
      this.#refuse(new Refusal(503, "the server is closing"));
    }
  }

  #read(chunk: Uint8Array): void {
    if (this.#state !== "reading") return; // What a refused client still sends is discarded.
    const end = this.#reader.push(chunk);
    if (end === undefined) return;
    if (end instanceof Refusal) return this.#refuse(end);
    const parsed = parseRequest(this.#reader.text, this.address, this.#port);
    if (parsed instanceof Refusal) return this.#refuse(parsed);
    const request = this.#request = this.#forwarded(parsed);
    const refusal = examine(request, this.#owner.plan) ?? this.#room();
    if (refusal !== undefined) return this.#refuse(refusal);
    const rest = chunk.subarray(end);
    const { accept } = this.#owner.plan;
    if (accept === undefined) return this.#pass(request, rest);
    this.#state = "deciding";
    // The stream holds back what comes meanwhile.
    this.#stream.removeListener("data", this.#onData);
    this.#stream.pause();
    void this.#decide(request, rest, accept);
  }

  /** The request with the address of the client, where it has come through proxies. */
  #forwarded(request: SocketRequest): SocketRequest {
    const forwarded = request.headers.get("x-forwarded-for");
    const address = clientAddress(request.address, forwarded, this.#owner.plan.trusts);
    return address === request.address ? request : { ...request, address, port: 0 };
  }

  #room(): Refusal | undefined {
    return this.#owner.isFull ? new Refusal(503, "there are too many clients") : undefined;
  }

  async #decide(
    request: SocketRequest,
    rest: Uint8Array,
    accept: (request: SocketRequest) => Verdict | Promise<Verdict>,
  ): Promise<void> {
    let refusal: Refusal | undefined;
    try {
      refusal = refusalOf(await accept(request));
    } catch (error) {
      surface(error);
      refusal = new Refusal(500, "the server failed");
    }
    if (this.#state !== "deciding") return; // It has taken too long.
    refusal ??= this.#room();
    if (refusal !== undefined) return this.#refuse(refusal);
    this.#pass(request, rest);
  }

  #pass(request: SocketRequest, rest: Uint8Array): void {
    clearTimeout(this.#timer);
    this.#state = "over";
    this.#stream.removeListener("data", this.#onData);
    this.#raw.removeListener("close", this.#onClose);
    this.#owner.passed(this, {
      stream: this.#stream,
      localAddress: this.#localAddress,
      request,
      requestLine: this.#reader.firstLine,
      protocol: chooseProtocol(request.protocols, this.#owner.plan),
      rest,
      since: this.#since,
    });
  }

  #expire(): void {
    if (this.#state === "refused") return this.abandon();
    this.#refuse(new Refusal(408, "the handshake took too long"));
  }

  /** Answers with a status. The connection ends when the client has closed it, or after a moment. */
  #refuse({ status, detail, headers }: Refusal): void {
    clearTimeout(this.#timer);
    if (this.#state === "deciding") {
      this.#stream.on("data", this.#onData);
      this.#stream.resume();
    }
    this.#state = "refused";
    const body = `${status} ${STATUS_CODES[status] ?? "Refused"}: ${detail}\n`;
    const head = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Refused"}`,
      ...headers,
      "Connection: close",
      "Content-Type: text/plain; charset=utf-8",
      `Content-Length: ${Buffer.byteLength(body)}`,
    ];
    // A browser that has no use for the answer to a HEAD would take its body for the next one.
    const hasBody = this.#request?.method !== "HEAD";
    this.#stream.end(`${head.join("\r\n")}\r\n\r\n${hasBody ? body : ""}`);
    this.#timer = setTimeout(() => this.#expire(), LINGER_MS);
    this.#owner.refused(status);
    this.#owner.log(formatLogLine({
      address: this.#request?.address ?? this.address,
      requestLine: this.#reader.firstLine,
      request: this.#request,
      status,
      bytes: hasBody ? Buffer.byteLength(body) : 0,
      elapsedMs: performance.now() - this.#since,
    }));
  }

  #end(): void {
    if (this.#state === "over") return;
    clearTimeout(this.#timer);
    const wasRefused = this.#state === "refused";
    this.#state = "over";
    this.#owner.ended(this, wasRefused);
  }
}

/** What a hook has decided. */
function refusalOf(verdict: unknown): Refusal | undefined {
  if (verdict === true) return undefined;
  if (verdict === false) return new Refusal(403, "the server does not want this client");
  if (Number.isInteger(verdict) && Number(verdict) >= 400 && Number(verdict) <= 599) {
    return new Refusal(Number(verdict), "the server does not want this client");
  }
  throw new TypeError(
    `accept must return a boolean or a status from 400 to 599, not ${show(verdict)}`,
  );
}
