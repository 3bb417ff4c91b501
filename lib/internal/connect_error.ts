/** Why an attempt to connect has failed, in words. */
import type { Address } from "../address.ts";
import { DisconnectCode } from "../disconnect.ts";
import { ENetError } from "../errors.ts";

/** How an attempt has ended. */
interface Ending {
  readonly reason: string;
  readonly data: number;
}

/** The words for the number of a refusal. */
function refusal(data: number): string {
  const answer = `the other side refused, with data ${data}`;
  switch (data) {
    case DisconnectCode.FULL:
      return `${answer}: it is full, so try again later`;
    case DisconnectCode.DENIED:
      return `${answer}: its filter or its program does not admit this client`;
    case DisconnectCode.CLOSING:
      return `${answer}: it is closing, so try again later`;
    case DisconnectCode.UNDECIDED:
      return `${answer}: its program did not decide in time, so try again later`;
    case DisconnectCode.DUPLICATE:
      return `${answer}: it has as many connections of this address as it allows`;
    case 0:
      return `${answer}: it gives no reason`;
    default:
      return `${answer}: its program knows what that means`;
  }
}

/** Whether the data of a disconnect is one of the library's own. */
export function isRefusal(data: number): boolean {
  return Object.values<number>(DisconnectCode).includes(data);
}

/**
 * The error of an attempt that one of the sides has ended.
 *
 * @param isClosing whether the host of this side ends with it
 */
export function connectError(
  { hostname, port }: Address,
  { reason, data }: Ending,
  isClosing: boolean,
): ENetError {
  const what = `Connecting to ${hostname}:${port}`;
  if (isClosing) return new ENetError("ENETJS_ERR_CLOSED", `${what}: the host was closed`);
  if (reason === "local" || reason === "reset") {
    const how = reason === "local" ? "disconnected" : "reset the peer";
    return new ENetError("ENETJS_ERR_STALE", `${what}: this side ${how}`);
  }
  return new ENetError("ENETJS_ERR_REFUSED", `${what}: ${refusal(data)}`, { data });
}
