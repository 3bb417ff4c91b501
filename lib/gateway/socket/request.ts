/**
 * The head of a client's request: reading it from a stream, within limits, and taking it apart.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { SocketRequest } from "./contract.ts";

/** Largest head of a request, its blank line included, in bytes. */
const HEAD_LIMIT = 8192;

/** Why a handshake is refused. */
export class Refusal {
  readonly status: number;
  /** The headers and the text that the client gets beside the status. */
  readonly detail: string;
  /** Headers of the answer, such as `Allow`. */
  readonly headers: readonly string[];

  constructor(status: number, detail: string, headers: readonly string[] = []) {
    this.status = status;
    this.detail = detail;
    this.headers = headers;
  }
}

const badRequest = (detail: string) => new Refusal(400, detail);

const LF = 10;
const CR = 13;
const TAB = 9;
const DELETE = 127;

/** Gathers the head of a request. */
export class HeadReader {
  readonly #bytes = new Uint8Array(HEAD_LIMIT);
  #length = 0;
  /** How the head ends so far: 4 is CR LF CR LF. */
  #ending = 0;

  /** What has come, one byte a character. */
  get text(): string {
    return Buffer.from(this.#bytes.buffer, 0, this.#length).toString("latin1");
  }

  /** The first line, as far as it has come. */
  get firstLine(): string {
    const { text } = this;
    const end = text.indexOf("\r\n");
    return end < 0 ? text : text.slice(0, end);
  }

  /**
   * Takes what belongs to the head.
   *
   * @returns how many bytes that were, once the head is complete; `undefined` as long as it is not
   */
  push(chunk: Uint8Array): number | Refusal | undefined {
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i];
      if (this.#length === HEAD_LIMIT) {
        return new Refusal(431, `the head of the request is longer than ${HEAD_LIMIT} bytes`);
      }
      this.#bytes[this.#length++] = byte;
      const isEven = this.#ending % 2 === 0;
      if (byte === CR) {
        if (!isEven) return badRequest("a carriage return without a line feed");
        this.#ending++;
      } else if (byte === LF) {
        if (isEven) return badRequest("a line feed without a carriage return");
        if (++this.#ending === 4) return i + 1;
      } else if (byte < 32 && byte !== TAB || byte === DELETE || !isEven) {
        return badRequest(`a control character, ${byte}`);
      } else {
        this.#ending = 0;
      }
    }
  }
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Splits a header that is a list, such as `a, b`. */
export function listOf(value: string | undefined): string[] {
  return value === undefined ? [] : value.split(",").map((item) => item.trim());
}

/** Takes a whole head apart. */
export function parseRequest(
  head: string,
  address: string,
  port: number,
): SocketRequest | Refusal {
  const [line, ...lines] = head.slice(0, -4).split("\r\n");
  const parts = line.split(" ");
  const [method, target, version] = parts;
  if (parts.length !== 3 || !TOKEN.test(method) || !/^HTTP\/\d\.\d$/.test(version)) {
    return badRequest("the first line is no request");
  }
  if (version !== "HTTP/1.1") return badRequest(`${version} knows no WebSockets, HTTP/1.1 does`);
  // A proxy may be sent the whole URL.
  const url = target.replace(/^https?:\/\/[^/?#]*/i, "") || "/";
  if (!/^\/[\x21-\x22\x24-\x7e\x80-\xff]*$/.test(url)) {
    return badRequest("the target is no path");
  }
  const headers = new Map<string, string>();
  for (const header of lines) {
    const colon = header.indexOf(":");
    const name = header.slice(0, Math.max(colon, 0)).toLowerCase();
    if (!TOKEN.test(name)) return badRequest("a line is no header");
    const value = header.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, "");
    const before = headers.get(name);
    if (before !== undefined && name === "host") return badRequest("there are two Host headers");
    headers.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  if (!headers.has("host")) return badRequest("the Host header is missing");
  if (headers.has("transfer-encoding") || (headers.get("content-length") ?? "0") !== "0") {
    return badRequest("a handshake has no body");
  }
  const protocols = listOf(headers.get("sec-websocket-protocol"));
  if (!protocols.every((name) => TOKEN.test(name)) || new Set(protocols).size < protocols.length) {
    return badRequest("Sec-WebSocket-Protocol is no list of different names");
  }
  const path = url.replace(/\?.*$/, "");
  return { address, port, method, url, path, headers, protocols };
}
