/** What a program is told of the end of a connection, or of an attempt to connect. */
import { ENetError } from "../errors.ts";
import type { MachineEnd } from "./machine_contract.ts";
import type { ConnectionEnd } from "./types.ts";

/** An error with its cause, if there is one. */
export function errorWith(code: ENetError["code"], message: string, cause: unknown): ENetError {
  return new ENetError(code, message, cause === undefined ? {} : { cause });
}

/**
 * The end of a connection that was ready.
 *
 * @param name that of the connection, for messages
 */
export function endOf({ reason, text }: MachineEnd, name: string, cause: unknown): ConnectionEnd {
  if (reason === "local" || reason === "remote") return { reason };
  const code = reason === "protocol" ? "ENETJS_ERR_PROTOCOL" : "ENETJS_ERR_STALE";
  return {
    reason: reason === "protocol" ? "protocol" : "lost",
    error: errorWith(code, `${name}: ${text}`, cause),
  };
}

/**
 * The error of an attempt to connect.
 *
 * @param address where to, for messages
 */
export function failureOf(
  { reason, text }: MachineEnd,
  address: string,
  cause: unknown,
): ENetError {
  const code = reason === "handshake"
    ? "ENETJS_ERR_TIMEOUT"
    : reason === "protocol"
    ? "ENETJS_ERR_PROTOCOL"
    : "ENETJS_ERR_REFUSED";
  return errorWith(code, `Connecting to ${address}: ${text}`, cause);
}
