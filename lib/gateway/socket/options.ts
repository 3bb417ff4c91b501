/**
 * The options of a server: what they default to, and what they may be.
 *
 * @module
 */
import type { SecureContext } from "node:tls";
import {
  integer,
  oneOf,
  optionalFunction,
  options as requireOptions,
  U32,
} from "../../internal/validate.ts";
import type { SlowPolicy, SocketServerOptions } from "./contract.ts";
import {
  checkEach,
  checkOrigin,
  checkPath,
  checkProtocol,
  checkText,
  checkUnixSocket,
} from "./names.ts";
import { checkProxy, planProxies, type TrustsAddress } from "./proxies.ts";
import { secureContext } from "./tls.ts";

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
  /** Whether an address is that of a proxy before the server. */
  readonly trusts: TrustsAddress;
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
  ...["hostname", "unixSocket", "tls", "path", "origins", "protocols", "proxies", "slow"],
  ...["accept", "accessLog"],
];

const POLICIES = ["drop", "close", "wait"] as const;

/** Checks the options of a server. */
export function planOf(options: SocketServerOptions): SocketPlan {
  requireOptions(options, "options", [...Object.keys(NUMBERS), ...OTHERS]);
  const { unixSocket, path, origins, protocols = [], proxies = [], slow = "drop" } = options;
  if (unixSocket !== undefined) {
    if (options.hostname !== undefined || options.port !== undefined) {
      throw new TypeError("unixSocket takes the place of hostname and port; give one of them");
    }
    checkUnixSocket(unixSocket, "unixSocket");
  }
  if (path !== undefined) checkPath(path, "path");
  for (const name of ["accept", "accessLog"] as const) optionalFunction(options[name], name);
  const numbers = Object.fromEntries(
    Object.entries(NUMBERS).map(([name, [preset, minimum, maximum]]) => {
      const value = options[name as keyof typeof NUMBERS] ?? preset;
      return [name, integer(value, name, minimum, maximum)];
    }),
  ) as Record<keyof typeof NUMBERS, number>;
  return {
    ...numbers,
    hostname: checkText(options.hostname ?? "0.0.0.0", "hostname"),
    unixSocket,
    tls: options.tls && secureContext(options.tls),
    path,
    origins: origins && new Set(checkEach(origins, "origins", checkOrigin)),
    protocols: checkEach(protocols, "protocols", checkProtocol),
    trusts: planProxies(checkEach(proxies, "proxies", checkProxy)),
    slow: oneOf(slow, "slow", POLICIES),
    accept: options.accept?.bind(options),
    accessLog: options.accessLog?.bind(options),
  };
}
