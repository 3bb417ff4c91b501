/** Why something cannot be done with a connection, and why an attempt to connect has failed. */
import type { Address } from "../address.ts";
import { DisconnectCode } from "../disconnect.ts";
import { ENetError, type ENetErrorCode, nativeError, type TokenFault } from "../errors.ts";
import { TOKEN } from "../../ffi/layout.ts";
import type { Ending, EndReason } from "./connection_contract.ts";
import { hostAndPort } from "./ip.ts";

/** What is known of a connection. */
interface State {
  readonly name: string;
  readonly address: Address;
  readonly ending: Ending | undefined;
  readonly closing: boolean;
  /** The error of an attempt that nothing has answered within a time. */
  readonly unanswered: ((limit: string) => ENetError) | undefined;
  readonly endpoint: {
    readonly resources: { readonly open: boolean };
    readonly closing: boolean;
    readonly closeReason: unknown;
  };
}

/** An error with the reason that the program gave to `host.close`. */
function endError({ name, endpoint: { closeReason } }: State, code: ENetErrorCode, what: string) {
  const options = closeReason === undefined ? undefined : { cause: closeReason };
  return new ENetError(code, `${name}: ${what}`, options);
}

/** The error of a native call on a connection. */
export function connectionError(of: State, result: number): ENetError {
  const { ending, closing, endpoint } = of;
  if (!endpoint.resources.open) return endError(of, "ENETJS_ERR_CLOSED", "the host is closed");
  if (ending !== undefined) {
    const how = `the connection has ended (${ending.reason}, data ${ending.data})`;
    return endError(of, "ENETJS_ERR_STALE", how);
  }
  if (closing) return endError(of, "ENETJS_ERR_STALE", "this side is ending the connection");
  return nativeError(result, of.name);
}

/** The error of a message whose acknowledgement was waited for. */
export function undeliveredError(of: State): ENetError {
  const how = of.ending === undefined ? "" : ` (${of.ending.reason})`;
  const what = `the connection ended${how} before a message was acknowledged`;
  return endError(of, "ENETJS_ERR_UNDELIVERED", what);
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

/** What this side has done to an attempt that ends for such a reason. */
const DONE_HERE: Readonly<Partial<Record<EndReason, string>>> = {
  local: "disconnected",
  reset: "reset the peer",
  limit: "disconnected, because the other exceeded a limit of this host",
};

/** The words for the statuses of native code. */
const TOKEN_FAULTS: Readonly<Record<number, TokenFault>> = {
  [TOKEN.MISSING]: "missing",
  [TOKEN.MALFORMED]: "malformed",
  [TOKEN.FOREIGN]: "foreign",
  [TOKEN.EXPIRED]: "expired",
  [TOKEN.OTHER_SERVER]: "other_server",
  [TOKEN.USED]: "used",
  [TOKEN.BUSY]: "busy",
};

const FAULT_TEXTS: Readonly<Record<TokenFault, string>> = {
  missing: "there is none, so pass security.token",
  malformed: "it is no token of this version",
  foreign: "the server does not know its issuer, or the signature is wrong",
  expired: "it has expired; get a new one, and compare the clocks of issuer and server",
  other_server: "it is for other servers",
  used: "it was used before; get a new one for each connection",
  busy: "the server remembers as many tokens as it can, so try again later",
};

/** The error of an attempt that one of the sides has ended. */
export function connectError(of: State, { reason, data }: Ending): ENetError {
  const { address, endpoint } = of;
  const what = `Connecting to ${hostAndPort(address)}`;
  if (endpoint.closing || !endpoint.resources.open) {
    return new ENetError("ENETJS_ERR_CLOSED", `${what}: the host was closed`);
  }
  const done = DONE_HERE[reason];
  if (done !== undefined) return new ENetError("ENETJS_ERR_STALE", `${what}: this side ${done}`);
  if (reason === "timeout" && of.unanswered !== undefined) {
    return of.unanswered("for as long as ENet tries");
  }
  if (reason === "token") {
    const tokenFault = TOKEN_FAULTS[data];
    const why = `${what}: the server does not accept the connect token: ${FAULT_TEXTS[tokenFault]}`;
    return new ENetError("ENETJS_ERR_SECURITY_TOKEN", why, { tokenFault });
  }
  return new ENetError("ENETJS_ERR_REFUSED", `${what}: ${refusal(data)}`, { data });
}
