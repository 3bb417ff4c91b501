/**
 * The options of a server: what they default to, and what they may be.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import {
  integer,
  oneOf,
  optionalFunction,
  options as requireOptions,
  show,
  U32,
} from "../internal/validate.ts";
import type { SlowPolicy, SocketServerOptions, SocketTls } from "./socket_contract.ts";

/** Options that have been checked, and defaults for the others. */
export interface SocketPlan {
  readonly hostname: string;
  readonly port: number;
  readonly unixSocket: string | undefined;
  readonly tls: SecureContext | undefined;
  readonly path: string | undefined;
  /** In lower case. */
  readonly origins: ReadonlySet<string> | undefined;
  readonly protocols: readonly string[];
  readonly maximumFrameSize: number;
  readonly maximumMessageSize: number;
  readonly maximumClients: number;
  readonly maximumHandshakes: number;
  readonly handshakeTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly pingIntervalMs: number;
  readonly queueLimitBytes: number;
  readonly slow: SlowPolicy;
  readonly accept: SocketServerOptions["accept"];
  readonly accessLog: SocketServerOptions["accessLog"];
}

const MEBIBYTE = 2 ** 20;

/** The longest that a timer can wait. */
const LONGEST_MS = 2 ** 31 - 1;

/** Numbers: default, minimum, maximum. */
const NUMBERS = {
  port: [0, 0, 65_535],
  maximumFrameSize: [MEBIBYTE, 1, 2 ** 30],
  maximumMessageSize: [MEBIBYTE, 1, 2 ** 30],
  maximumClients: [1024, 1, U32],
  maximumHandshakes: [1024, 1, U32],
  handshakeTimeoutMs: [10_000, 1, LONGEST_MS],
  idleTimeoutMs: [0, 0, LONGEST_MS],
  pingIntervalMs: [30_000, 0, LONGEST_MS],
  queueLimitBytes: [MEBIBYTE, 1, 2 ** 40],
} as const;

const OTHERS = [
  ...["hostname", "unixSocket", "tls", "path", "origins", "protocols", "slow"],
  ...["accept", "accessLog"],
];

const POLICIES = ["drop", "close", "wait"] as const;

/** The longest path of a Unix socket on Linux, in bytes. */
const LONGEST_PATH = 107;

function text(value: unknown, name: string): string {
  if (typeof value !== "string" || value === "" || value.includes("\0")) {
    throw new TypeError(`${name} must be a string that is not empty, not ${show(value)}`);
  }
  return value;
}

function texts(value: unknown, name: string): string[] {
  if (!Array.isArray(value)) throw new TypeError(`${name} must be an array, not ${show(value)}`);
  return value.map((item, i) => text(item, `${name}[${i}]`));
}

/**
 * The secure context of a certificate and its key.
 *
 * @throws {TypeError} When they are not both there.
 * @throws {Error} When they can't be used, with the reason.
 */
export function secureContext(tls: SocketTls): SecureContext {
  requireOptions(tls, "tls", ["certificate", "key"]);
  for (const name of ["certificate", "key"] as const) {
    const value: unknown = tls[name];
    if (typeof value !== "string" && !(value instanceof Uint8Array)) {
      throw new TypeError(`tls.${name} must be PEM, as a string or bytes, not ${show(value)}`);
    }
  }
  const pem = (value: string | Uint8Array) =>
    typeof value === "string" ? value : Buffer.from(value);
  const [cert, key] = [pem(tls.certificate), pem(tls.key)];
  try {
    // Deno's `createSecureContext` takes anything.
    if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key))) {
      throw new Error("the key is not that of the certificate");
    }
    return createSecureContext({ cert, key, minVersion: "TLSv1.2" });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`The certificate and the key can't be used: ${why}`, { cause: error });
  }
}

/** Checks the options of a server. */
export function planOf(options: SocketServerOptions): SocketPlan {
  requireOptions(options, "options", [...Object.keys(NUMBERS), ...OTHERS]);
  const { unixSocket, path, origins, protocols = [], slow = "drop" } = options;
  if (unixSocket !== undefined) {
    if (options.hostname !== undefined || options.port !== undefined) {
      throw new TypeError("unixSocket takes the place of hostname and port; give one of them");
    }
    if (Buffer.byteLength(text(unixSocket, "unixSocket")) > LONGEST_PATH) {
      throw new RangeError(
        `unixSocket must be a path of at most ${LONGEST_PATH} bytes, not ${show(unixSocket)}`,
      );
    }
  }
  if (path !== undefined && !/^\/[^?#\s]*$/.test(text(path, "path"))) {
    throw new TypeError(`path must begin with / and have no query, not ${show(path)}`);
  }
  for (const name of texts(protocols, "protocols")) {
    if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name)) {
      throw new TypeError(`protocols may have no separators in their names, not ${show(name)}`);
    }
  }
  for (const name of ["accept", "accessLog"] as const) optionalFunction(options[name], name);
  const numbers = Object.fromEntries(
    Object.entries(NUMBERS).map(([name, [preset, minimum, maximum]]) => {
      const value = options[name as keyof typeof NUMBERS] ?? preset;
      return [name, integer(value, name, minimum, maximum)];
    }),
  ) as Record<keyof typeof NUMBERS, number>;
  return {
    ...numbers,
    hostname: text(options.hostname ?? "0.0.0.0", "hostname"),
    unixSocket,
    tls: options.tls && secureContext(options.tls),
    path,
    origins: origins && new Set(texts(origins, "origins").map((origin) => origin.toLowerCase())),
    protocols: [...protocols],
    slow: oneOf(slow, "slow", POLICIES),
    accept: options.accept?.bind(options),
    accessLog: options.accessLog?.bind(options),
  };
}
