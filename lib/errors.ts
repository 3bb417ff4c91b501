/**
 * The codes of {@linkcode ENetError}, and what each means. `docs/errors.md` also says what to do.
 */
export const ERROR_MEANINGS = {
  // Native codes, from -1 downwards: `ENETJS_ERR_…` of `native/include/enetjs_layout.h`.
  ENETJS_ERR_ARGUMENT: "an argument is outside its range",
  ENETJS_ERR_MEMORY: "out of memory",
  ENETJS_ERR_STALE: "the connection has ended",
  ENETJS_ERR_CLOSED: "the host is closed",
  ENETJS_ERR_NOT_CONNECTED: "the peer is connecting or disconnecting",
  ENETJS_ERR_PEERS_EXHAUSTED: "every peer of the host is in use",
  ENETJS_ERR_TOO_LARGE: "the data is larger than the maximum",
  ENETJS_ERR_ADDRESS_IN_USE: "the address is in use",
  ENETJS_ERR_ADDRESS_UNAVAILABLE: "the address does not belong to this machine",
  ENETJS_ERR_PERMISSION: "the system does not permit it",
  ENETJS_ERR_SOCKET: "the socket failed",
  ENETJS_ERR_THREAD: "no thread could be started",
  ENETJS_ERR_CHANNEL: "the connection has no such channel",
  ENETJS_ERR_LIMIT: "out of descriptors or hosts",
  ENETJS_ERR_LAYOUT: "the shared memory does not fit the configuration",
  ENETJS_ERR_LIBENET: "libenet is not the version that libenetjs was built with",
  ENETJS_ERR_PLUGIN_MISSING: "there is no such plugin file",
  ENETJS_ERR_PLUGIN_PLATFORM: "the plugin's file is no library for this platform",
  ENETJS_ERR_PLUGIN_LOAD: "the system cannot load the plugin",
  ENETJS_ERR_PLUGIN_SYMBOL: "the library is no plugin",
  ENETJS_ERR_PLUGIN_ABI: "the plugin has another ABI version",
  ENETJS_ERR_PLUGIN_INITIALIZE: "the plugin refused to start",
  ENETJS_ERR_FAULT: "the other side of the channel broke its rules",
  ENETJS_ERR_UNGUARDED: "libenet's calls do not reach libenetjs, so nothing protects the host",
  ENETJS_ERR_ADDRESS_FAMILY: "the system, or the host's socket, does not speak that version of IP",
  ENETJS_ERR_REUSE_PORT: "this system does not share the clients of a port among several sockets",
  ENETJS_ERR_SOCKETS_TAKEN: "each socket of the shared port has a worker",
  ENETJS_ERR_NO_HOLDER:
    "the shared port is closed, or the process that holds it has ended or does not answer",
  ENETJS_ERR_SECURITY: "libsodium, which encryption needs, was not found",
  ENETJS_ERR_KEY_PAIR: "the public key is not that of the secret key",
  ENETJS_ERR_FILE: "the file cannot be opened, or is no regular file",
  ENETJS_ERR_FILE_IN_USE: "another capture writes to the file",
  // Errors that are found in JavaScript.
  ENETJS_ERR_TIMEOUT: "the other side did not answer in time",
  ENETJS_ERR_REFUSED: "the other side ended the attempt to connect",
  ENETJS_ERR_UNDELIVERED: "the connection ended before the message was acknowledged",
  ENETJS_ERR_RELEASED: "a packet's borrowed bytes were asked for after its event was over",
  ENETJS_ERR_RESOLVE: "the host name has no address",
  ENETJS_ERR_LIBRARY: "the native library was not found or could not be loaded",
  ENETJS_ERR_ABI: "the native library has another version",
  // Errors of messaging.
  ENETJS_ERR_ADDRESS: "the text is no address",
  ENETJS_ERR_REPLY_TIMEOUT: "no reply came in time",
  ENETJS_ERR_REQUEST_REFUSED: "the other side refused the request",
  ENETJS_ERR_CANCELLED: "this side cancelled the request",
  ENETJS_ERR_ALREADY_REPLIED: "the request has been answered already",
  ENETJS_ERR_PROTOCOL: "one side sent what the protocol does not allow",
  // Errors of rooms.
  ENETJS_ERR_BACKPLANE: "the backplane can't be reached, or lacks what is asked of it",
  ENETJS_ERR_LEASE: "another holder has the lease",
  ENETJS_ERR_OVERFLOW: "more events waited than may wait",
  // Errors of encryption.
  ENETJS_ERR_SECURITY_NO_ANSWER: "no answer came from a holder of the server's key",
  ENETJS_ERR_SECURITY_TOKEN: "the connect token is not accepted",
  ENETJS_ERR_SECURITY_UNAVAILABLE: "WebCrypto, which keys and tokens need, is missing or too old",
} as const;

/** The codes of {@linkcode ENetError}: the keys of {@linkcode ERROR_MEANINGS}. */
export type ENetErrorCode = keyof typeof ERROR_MEANINGS;

/**
 * What a router or the other machine has reported by ICMP about an address to which a host connects. No program has
 * the port; there is no way to the machine, or to its network; or a firewall does not let datagrams pass.
 */
export type Unreachable = "port" | "host" | "network" | "prohibited";

/**
 * Why a connect token is not accepted:
 *
 * - `missing`: a token is required, and there is none.
 * - `malformed`: it is no token, or a damaged one.
 * - `foreign`: it is of an unknown issuer, or its signature is wrong.
 * - `expired`: its time is over.
 * - `other_server`: it is for other servers.
 * - `used`: it was used on this server before.
 * - `busy`: the server remembers as many tokens as it can.
 */
export type TokenFault =
  | "missing"
  | "malformed"
  | "foreign"
  | "expired"
  | "other_server"
  | "used"
  | "busy";

/**
 * An error of the network, the system or the native library. Wrong arguments are a `TypeError` or
 * `RangeError` instead.
 *
 * @example
 * ```ts
 * import { ENetError, Host } from "@enetjs/enet";
 *
 * try {
 *   await using host = await Host.listen({ hostname: "192.0.2.1" });
 * } catch (error) {
 *   if (!(error instanceof ENetError)) throw error;
 *   console.log(error.code); // ENETJS_ERR_ADDRESS_UNAVAILABLE
 * }
 * ```
 */
export class ENetError extends Error {
  /** What happened, from a closed set of codes. */
  readonly code: ENetErrorCode;
  /**
   * With `ENETJS_ERR_REFUSED` and `ENETJS_ERR_REQUEST_REFUSED`: the 32-bit number that the other side gave as its
   * reason.
   */
  declare readonly data?: number;
  /**
   * With `ENETJS_ERR_TIMEOUT` and `ENETJS_ERR_SECURITY_NO_ANSWER` of an attempt to connect, on Linux: why the address seems to be unreachable. ICMP can be
   * forged, so such a report never ends an attempt.
   */
  declare readonly unreachable?: Unreachable;
  /** With `ENETJS_ERR_SECURITY_TOKEN`: why the connect token is not accepted. */
  declare readonly tokenFault?: TokenFault;

  /**
   * Makes an error, as the library does.
   *
   * @param code what happened
   * @param message a sentence with the values
   * @param options the `cause`, if another error led to this one; the `data` of the other side; what
   *   is `unreachable`; and the `tokenFault`
   */
  constructor(
    code: ENetErrorCode,
    message: string,
    options?: {
      cause?: unknown;
      data?: number;
      unreachable?: Unreachable;
      tokenFault?: TokenFault;
    },
  ) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = "ENetError";
    this.code = code;
    if (options?.data !== undefined) this.data = options.data;
    if (options?.unreachable !== undefined) this.unreachable = options.unreachable;
    if (options?.tokenFault !== undefined) this.tokenFault = options.tokenFault;
  }
}

const CODES = Object.keys(ERROR_MEANINGS) as ENetErrorCode[];

const resultOf = (code: ENetErrorCode): number => -1 - CODES.indexOf(code);

/** Native results that are asked for by name. */
export const NATIVE_ERROR = {
  STALE: resultOf("ENETJS_ERR_STALE"),
  CLOSED: resultOf("ENETJS_ERR_CLOSED"),
  NOT_CONNECTED: resultOf("ENETJS_ERR_NOT_CONNECTED"),
  PEERS_EXHAUSTED: resultOf("ENETJS_ERR_PEERS_EXHAUSTED"),
  SOCKETS_TAKEN: resultOf("ENETJS_ERR_SOCKETS_TAKEN"),
} as const;

/** How many of them native code has. */
const NATIVE_COUNT = CODES.indexOf("ENETJS_ERR_TIMEOUT");

/** What the message says after the meaning, where that helps. */
const REMEDIES: Partial<Record<ENetErrorCode, string>> = {
  ENETJS_ERR_ADDRESS_IN_USE:
    "a host that was not closed or another program has it: `ss -ulpn` (Linux) or `lsof -nP -iUDP` " +
    "(macOS) names it; port 0 takes any free port",
  ENETJS_ERR_LIBENET: "build it again",
  ENETJS_ERR_UNGUARDED:
    "the process had loaded libenet before; create a host before that, or listen with unguarded: true",
  ENETJS_ERR_REUSE_PORT:
    "only Linux does; give each host a port of its own and tell clients which one to use, or keep " +
    "one host and pass its messages to Workers through channels",
  ENETJS_ERR_SOCKETS_TAKEN: "open the SharedPort with more sockets, or close a worker's host first",
  ENETJS_ERR_SECURITY:
    "install libsodium: `apt-get install libsodium23` (Debian, Ubuntu), `dnf install libsodium`, " +
    "`pacman -S libsodium`, `apk add libsodium`, `brew install libsodium`",
  ENETJS_ERR_KEY_PAIR: "pass both keys of one generateKeyPair(), each by its name",
  ENETJS_ERR_NO_HOLDER:
    "pass on the name of a SharedPort that is open, and keep its process running",
};

/** The error of a negative native result. */
export function nativeError(result: number, what: string): ENetError {
  const code = -result <= NATIVE_COUNT ? CODES[-result - 1] : "ENETJS_ERR_ARGUMENT";
  const remedy = code in REMEDIES ? `; ${REMEDIES[code]}` : "";
  return new ENetError(code, `${what}: ${ERROR_MEANINGS[code]}${remedy}`);
}

/** Passes a native result on, or throws its error. */
export function check(result: number, what: string): number {
  if (result < 0) throw nativeError(result, what);
  return result;
}
