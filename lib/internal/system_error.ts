/** Errors of the system's TCP and Unix sockets, as errors of the library. */
import { ENetError, type ENetErrorCode } from "../errors.ts";

/** The codes of system errors. */
const CODES: Readonly<Record<string, ENetErrorCode>> = {
  EADDRINUSE: "ENETJS_ERR_ADDRESS_IN_USE",
  EADDRNOTAVAIL: "ENETJS_ERR_ADDRESS_UNAVAILABLE",
  // Deno's, for an address to listen on that is not of this machine.
  EINVAL: "ENETJS_ERR_ADDRESS_UNAVAILABLE",
  ENETUNREACH: "ENETJS_ERR_ADDRESS_UNAVAILABLE",
  EHOSTUNREACH: "ENETJS_ERR_ADDRESS_UNAVAILABLE",
  EACCES: "ENETJS_ERR_PERMISSION",
  EPERM: "ENETJS_ERR_PERMISSION",
  ECONNREFUSED: "ENETJS_ERR_REFUSED",
  ECONNRESET: "ENETJS_ERR_REFUSED",
  ETIMEDOUT: "ENETJS_ERR_TIMEOUT",
  ENOTFOUND: "ENETJS_ERR_RESOLVE",
  EAI_AGAIN: "ENETJS_ERR_RESOLVE",
  EMFILE: "ENETJS_ERR_LIMIT",
};

/**
 * The library's error for one of `node:net`.
 *
 * @param what what was being done, for the message
 */
export function systemError(error: Error, what: string): ENetError {
  const { code = "", name } = error as { code?: string; name: string };
  const isDenied = name === "NotCapable" || name === "PermissionDenied";
  const ours = isDenied ? "ENETJS_ERR_PERMISSION" : CODES[code] ?? "ENETJS_ERR_SOCKET";
  return new ENetError(ours, `${what}: ${error.message}`, { cause: error });
}
