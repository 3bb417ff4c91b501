/**
 * What is at fault when a connection cannot be made, as far as it can be known from here.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import type { Address } from "../../address.ts";
import type { ConnectOptions } from "../../connect.ts";
import { DisconnectCode } from "../../disconnect.ts";
import { ENetError } from "../../errors.ts";
import { formatIp, hostAndPort } from "../../internal/ip.ts";
import { resolveAll } from "../../internal/resolve.ts";

/** What is at fault, in a word. */
export type Fault =
  | "name"
  | "full"
  | "refused"
  | "unreachable"
  | "no answer"
  | "encryption required"
  | "encryption"
  | "token";

/** A connection could not be made. */
export class ConnectFault extends Error {
  /** The code of the ENetError. */
  readonly code: string;
  /** What is at fault. */
  readonly fault: Fault;

  /** Makes the error. */
  constructor(fault: Fault, message: string, cause: ENetError) {
    super(message, { cause });
    this.name = "ConnectFault";
    this.code = cause.code;
    this.fault = fault;
  }
}

/** The faults that a code stands for. */
const FAULTS: Readonly<Partial<Record<ENetError["code"], Fault>>> = {
  ENETJS_ERR_RESOLVE: "name",
  ENETJS_ERR_REFUSED: "refused",
  ENETJS_ERR_TIMEOUT: "no answer",
  ENETJS_ERR_SECURITY_NO_ANSWER: "encryption",
  ENETJS_ERR_SECURITY_TOKEN: "token",
};

function knownFault({ code, data, unreachable }: ENetError): Fault | undefined {
  if (unreachable !== undefined) return "unreachable";
  return data === DisconnectCode.FULL ? "full" : FAULTS[code];
}

/** What is at fault with an attempt, in a word. */
export function faultOf(error: unknown): string {
  if (!(error instanceof ENetError)) return String(error);
  return knownFault(error) ?? error.code;
}

/** How long an answer to a HELLO may take, and how often it is asked for. */
const ANSWER_MS = 500;
const ASKS = 2;

/** The shortest HELLO of `docs/security-protocol.md`, whose Noise message is random. */
function hello(pattern: number): Uint8Array {
  const bytes = new Uint8Array(256);
  bytes.set(randomBytes(232), 24);
  bytes.set([0x0F, 1, pattern, 0, ...randomBytes(4)]);
  bytes[4] &= 0x7F; // an index does not begin with 0xFF
  return bytes;
}

/**
 * Asks whether an encrypted host is there. It answers every HELLO with a RETRY, before it looks at keys, so no key is
 * needed to ask.
 */
export async function isEncrypted({ hostname, port }: Address): Promise<boolean> {
  const [ip] = await resolveAll(hostname);
  const socket = createSocket(typeof ip === "number" ? "udp4" : "udp6");
  const hellos = [hello(0), hello(1)];
  const answered = Promise.withResolvers<boolean>();
  socket.on("error", () => answered.resolve(false));
  socket.on("message", (bytes) => {
    const isRetry = bytes.length === 24 && bytes[0] === 0x1F && bytes[1] === 1 &&
      hellos.some((hello) => bytes.subarray(4, 8).equals(hello.subarray(4, 8)));
    if (isRetry) answered.resolve(true);
  });
  let asked = 0;
  const ask = () => {
    if (asked++ === ASKS) return answered.resolve(false);
    for (const bytes of hellos) socket.send(bytes, port, formatIp(ip), () => {});
  };
  const timer = setInterval(ask, ANSWER_MS);
  ask();
  try {
    return await answered.promise;
  } finally {
    clearInterval(timer);
    socket.close();
  }
}

/** Says what is at fault with an attempt that has failed. @returns what to throw */
export async function explain(
  error: unknown,
  address: Address,
  { security }: ConnectOptions,
): Promise<unknown> {
  if (!(error instanceof ENetError)) return error;
  const fault = knownFault(error);
  if (fault === undefined) return error;
  if (fault === "no answer" && security === undefined && await isEncrypted(address)) {
    const what = `${hostAndPort(address)} takes encrypted connections only: ` +
      "say its public key with --server-key";
    return new ConnectFault("encryption required", what, error);
  }
  return new ConnectFault(fault, error.message, error);
}
