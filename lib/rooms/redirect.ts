/**
 * Sends a client to another host: a message that names the host, then the end of the connection.
 *
 * The message is the text `enet-redirect 1` and a line feed, then a JSON object: `address`, and where they are needed
 * `serverKey` and `token`.
 *
 * @module
 */
import { integer, options as checkOptions, show } from "../internal/validate.ts";
import { type AddressLike, validateAddress } from "../address.ts";
import { hostAndPort } from "../internal/ip.ts";
import { Peer, peers } from "../peer.ts";
import { createToken } from "../security/token.ts";
import type { Key } from "../security/key.ts";

/** Where a client is sent. */
export interface Redirect {
  /** The address of the other host, `host:port`. */
  readonly address: string;
  /** The public key of the other host, if it has `security`. */
  readonly serverKey?: string;
  /** A connect token for the other host, if it wants one. */
  readonly token?: string;
}

/** Options of `redirect`. */
export interface RedirectOptions {
  /** The channel of the message. Default 0. */
  channelId?: number;
  /** The public key of the other host, `host_public_…`, if it has `security`. */
  serverKey?: string;
  /** The secret key of the issuer whose tokens the other host accepts; then the client gets a token. */
  issuerSecretKey?: Key;
  /** Whom the token names. Default the `clientId` of the client's own token. */
  clientId?: string;
  /** Milliseconds for which the token is valid, 1000 to 3,600,000. Default 30,000. */
  validMs?: number;
}

const BEGINNING = "enet-redirect 1\n";
const LONGEST = 8192;

/**
 * Sends a client to another host, such as `rooms.host(name)`. The client gets a message, which it reads by
 * {@linkcode readRedirect}, and then the end of the connection.
 *
 * @param peer the client
 * @param address where to, as for `host.connect`
 * @param options the channel, and what `security` needs
 * @returns a promise that resolves when the message is queued; false when the connection has ended
 * @throws {TypeError} for a wrong argument, or when a token is asked for and nobody says for whom
 * @throws {RangeError} for a value out of range
 * @throws {ENetError} `ENETJS_ERR_SECURITY_UNAVAILABLE` where WebCrypto is missing
 */
export async function redirect(
  peer: Peer,
  address: AddressLike,
  options: RedirectOptions = {},
): Promise<boolean> {
  checkOptions(options, "options", [
    "channelId",
    "serverKey",
    "issuerSecretKey",
    "clientId",
    "validMs",
  ]);
  const { channelId = 0, serverKey, issuerSecretKey, validMs = 30_000 } = options;
  integer(channelId, "channelId", 0, 254);
  integer(validMs, "validMs", 1000, 3_600_000);
  if (!(peer instanceof Peer)) throw new TypeError(`peer must be a Peer, not ${show(peer)}`);
  const to = hostAndPort(validateAddress(address, 1));
  let token: string | undefined;
  if (issuerSecretKey !== undefined) {
    const clientId = options.clientId ?? peer.token?.clientId;
    if (clientId === undefined) {
      throw new TypeError(
        "clientId must be given: the client has no token of its own, whose clientId could be taken",
      );
    }
    const servers = serverKey === undefined ? [] : [serverKey];
    const expiresAtMs = Date.now() + validMs;
    token = await createToken({ clientId, expiresAtMs, servers }, issuerSecretKey);
  }
  if (!peers.connectionOf(peer).sendable) return false;
  const told: Redirect = {
    address: to,
    ...serverKey === undefined ? {} : { serverKey },
    ...token === undefined ? {} : { token },
  };
  peer.send(channelId, BEGINNING + JSON.stringify(told));
  peer.disconnectLater();
  return true;
}

/**
 * Reads a redirect, on the client. It needs no native library.
 *
 * @param bytes a message, such as `packet.view`
 * @returns where to connect; undefined when the message is no redirect
 * @throws {TypeError} if `bytes` is no Uint8Array
 *
 * @example
 * ```ts
 * import { readRedirect } from "@enetjs/enet/rooms";
 *
 * const text = 'enet-redirect 1\n{"address":"game-3.example.com:7777"}';
 * console.log(readRedirect(new TextEncoder().encode(text))?.address); // game-3.example.com:7777
 * console.log(readRedirect(new Uint8Array([1, 2, 3]))); // undefined
 * ```
 */
export function readRedirect(bytes: Uint8Array): Redirect | undefined {
  if (!(bytes instanceof Uint8Array)) {
    throw new TypeError(`bytes must be a Uint8Array, such as packet.view, not ${show(bytes)}`);
  }
  if (bytes.length > LONGEST || bytes[0] !== BEGINNING.charCodeAt(0)) return undefined;
  const text = new TextDecoder().decode(bytes);
  if (!text.startsWith(BEGINNING)) return undefined;
  try {
    const { address, serverKey, token } = Object(JSON.parse(text.slice(BEGINNING.length)));
    validateAddress(address, 1);
    const known = Object.entries({ serverKey, token }).filter(([, value]) => value !== undefined);
    if (typeof address !== "string" || known.some(([, value]) => typeof value !== "string")) {
      return undefined;
    }
    return { address, ...Object.fromEntries(known) };
  } catch {
    return undefined;
  }
}
