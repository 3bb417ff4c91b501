/**
 * The options of commands that connect to a server, and what they stand for.
 *
 * @module
 */
import { type Address, validateAddress } from "../../address.ts";
import type { ConnectOptions } from "../../connect.ts";
import type { ConnectSecurity } from "../../encryption.ts";
import { Host } from "../../host.ts";
import { hostAndPort } from "../../internal/ip.ts";
import type { HostOptions } from "../../options.ts";
import type { Peer } from "../../peer.ts";
import {
  type OperandTable,
  type OptionTable,
  type OptionValues,
  UsageError,
} from "../frame/options.ts";
import { checkKey, readHostKeys, readSecret, readSharedSecret } from "../frame/secrets.ts";
import type { Terminal } from "../frame/terminal.ts";
import { explain } from "./faults.ts";

/** The operand that says where the server is. */
export const ADDRESS_OPERAND = {
  address: {
    value: "HOST:PORT",
    help: "the server: a name, an IPv4 address, or an IPv6 address in brackets",
  },
} as const satisfies OperandTable;

/** How to connect. */
export const CONNECT_OPTIONS = {
  channels: {
    kind: "integer",
    value: "N",
    minimum: 1,
    maximum: 255,
    initial: 2,
    help: "channels to ask for",
  },
  data: {
    kind: "integer",
    value: "N",
    minimum: 0,
    maximum: 2 ** 32 - 1,
    initial: 0,
    help: "number that the server's program reads when this client connects",
  },
  "connect-timeout": {
    kind: "seconds",
    value: "S",
    minimum: 0.001,
    maximum: 86_400,
    initial: 5,
    help: "seconds to wait for the connection",
  },
  compress: { kind: "flag", help: "for a server that uses ENet's range coder" },
  checksum: { kind: "flag", help: "for a server that uses ENet's CRC32 checksum" },
  "server-key": {
    kind: "text",
    value: "KEY",
    told: "no encryption",
    help: "encrypt, and let only the server with this public key answer",
  },
  psk: {
    kind: "text",
    value: "FILE",
    help: "with --server-key, the shared secret is in this file; - is standard input",
  },
  "client-key": {
    kind: "text",
    value: "FILE",
    help: "with --server-key, the secret key of this client is in this file",
  },
} as const satisfies OptionTable;

/** For commands that connect once: a token is good for one connection. */
export const TOKEN_OPTION = {
  token: {
    kind: "text",
    value: "FILE",
    help: "with --server-key, a connect token is in this file",
  },
} as const satisfies OptionTable;

type ConnectValues =
  & OptionValues<typeof CONNECT_OPTIONS>
  & Partial<OptionValues<typeof TOKEN_OPTION>>;

/** What is needed of a terminal. */
type Reader = Pick<Terminal, "readInput" | "stop">;

/** How to reach a server. */
export interface Route {
  readonly address: Address;
  /** The address as it was written. */
  readonly name: string;
  readonly host: Pick<HostOptions, "compression" | "checksum">;
  readonly connect: ConnectOptions;
}

async function securityOf(
  values: ConnectValues,
  terminal: Reader,
): Promise<ConnectSecurity | undefined> {
  const { "server-key": serverKey, psk, "client-key": clientKey, token, compress } = values;
  if (serverKey === undefined) {
    const name = (["psk", "client-key", "token"] as const).find((name) =>
      values[name] !== undefined
    );
    if (name !== undefined) throw new UsageError(`--${name} is for --server-key: add it`);
    return undefined;
  }
  checkKey("--server-key", "host_public", serverKey);
  if (psk !== undefined && clientKey !== undefined) {
    throw new UsageError("--psk and --client-key exclude each other: leave one out");
  }
  return {
    serverKey,
    compression: compress,
    ...psk !== undefined && { psk: await readSharedSecret("--psk", psk, terminal) },
    ...clientKey !== undefined && {
      keyPair: await readHostKeys("--client-key", clientKey, terminal),
    },
    ...token !== undefined && { token: await readSecret("--token", token, terminal) },
  };
}

/** The compression and checksum that a host needs. */
export function wireOptions(values: { readonly compress: boolean; readonly checksum: boolean }) {
  return {
    compression: values.compress ? "range-coder" as const : "none" as const,
    checksum: values.checksum ? "crc32" as const : "none" as const,
  };
}

/**
 * Makes of operand and options what the library takes. It checks all of them before anything begins.
 *
 * @throws {UsageError} When one is wrong.
 */
export async function routeOf(
  values: ConnectValues & { readonly address: string },
  terminal: Reader,
): Promise<Route> {
  let address: Address;
  try {
    address = validateAddress(values.address, 1);
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
  return {
    address,
    name: hostAndPort(address),
    host: wireOptions(values),
    connect: {
      channels: values.channels,
      data: values.data,
      timeoutMs: Math.ceil(values["connect-timeout"] * 1000),
      security: await securityOf(values, terminal),
      signal: terminal.stop,
    },
  };
}

/** A client with one connection. */
export interface Client extends AsyncDisposable {
  readonly host: Host;
  readonly peer: Peer;
  /** Milliseconds that connecting has taken. */
  readonly connectMs: number;
}

/**
 * Connects.
 *
 * @throws {ConnectFault} When the connection cannot be made. It says what is at fault.
 */
export async function openClient({ address, host: options, connect }: Route): Promise<Client> {
  const host = await Host.create({ ...options, peers: 1 });
  try {
    const start = performance.now();
    const peer = await host.connect(address, connect);
    const connectMs = performance.now() - start;
    return { host, peer, connectMs, [Symbol.asyncDispose]: () => host[Symbol.asyncDispose]() };
  } catch (error) {
    await host.close();
    throw await explain(error, address, connect);
  }
}
