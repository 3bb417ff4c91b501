/**
 * The options of commands that clients connect to, and what they stand for.
 *
 * @module
 */
import type { HostSecurity } from "../../encryption.ts";
import type { ListenOptions } from "../../options.ts";
import { keyToText } from "../../security/key.ts";
import { type OptionTable, type OptionValues, UsageError } from "../frame/options.ts";
import { checkKey, readHostKeys, readSharedSecret } from "../frame/secrets.ts";
import type { Terminal } from "../frame/terminal.ts";
import { wireOptions } from "./connecting.ts";

/** How to listen. */
export const LISTEN_OPTIONS = {
  port: {
    kind: "integer",
    short: "p",
    value: "N",
    minimum: 0,
    maximum: 65_535,
    initial: 7777,
    help: "listen on this port; 0 takes a free one",
  },
  addr: {
    kind: "text",
    value: "A",
    told: ":: or 0.0.0.0",
    help: "listen on this address: every one of IPv6 and IPv4, unless said otherwise",
  },
  peers: {
    kind: "integer",
    value: "N",
    minimum: 1,
    maximum: 3840,
    initial: 1024,
    help: "clients at the same time; further ones are told that it is full",
  },
  channels: {
    kind: "integer",
    value: "N",
    minimum: 1,
    maximum: 255,
    initial: 255,
    help: "most channels of a connection",
  },
  compress: { kind: "flag", help: "use ENet's range coder; clients must do so, too" },
  checksum: { kind: "flag", help: "use ENet's CRC32 checksum; clients must do so, too" },
  key: {
    kind: "text",
    value: "FILE",
    told: "no encryption",
    help: "take encrypted connections only; the secret key of this server is in this file",
  },
  psk: {
    kind: "text",
    value: "FILE",
    help: "with --key, let in only clients that have the shared secret in this file",
  },
  issuer: {
    kind: "list",
    value: "KEY",
    help: "with --key, let in only clients with a connect token of this issuer, by its public key",
  },
  plain: { kind: "flag", help: "with --key, let in clients without encryption, too" },
} as const satisfies OptionTable;

type ListenValues = OptionValues<typeof LISTEN_OPTIONS>;

/** How to listen, as the library takes it. */
export interface Listening {
  readonly options: ListenOptions;
  /** The public key that clients need; undefined without encryption. */
  readonly publicKey: string | undefined;
}

async function securityOf(
  values: ListenValues,
  terminal: Pick<Terminal, "readInput">,
): Promise<HostSecurity | undefined> {
  const { key, psk, issuer: issuers, plain, compress: compression } = values;
  if (key === undefined) {
    if (psk === undefined && issuers.length === 0 && !plain) return undefined;
    throw new UsageError("--psk, --issuer and --plain are for --key: add it");
  }
  for (const issuer of issuers) checkKey("--issuer", "issuer_public", issuer);
  return {
    keyPair: await readHostKeys("--key", key, terminal),
    required: !plain,
    compression,
    ...psk !== undefined && { psk: await readSharedSecret("--psk", psk, terminal) },
    ...issuers.length > 0 && { tokens: { issuers } },
  };
}

/**
 * Makes of options what the library takes.
 *
 * @throws {UsageError} When some do not go together.
 */
export async function listeningOf(
  values: ListenValues,
  terminal: Pick<Terminal, "readInput">,
): Promise<Listening> {
  const { port, addr: hostname, peers, channels } = values;
  const security = await securityOf(values, terminal);
  const publicKey = security?.keyPair.publicKey;
  return {
    options: {
      port,
      ...hostname !== undefined && { hostname },
      peers,
      channels,
      security,
      ...wireOptions(values),
    },
    publicKey: publicKey && keyToText("host_public", publicKey as Uint8Array),
  };
}
