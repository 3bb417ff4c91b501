/**
 * What an {@linkcode EnetSocketError} is about; the names are those of `ENetError` in `@enetjs/enet`.
 *
 * - `ENETJS_ERR_REFUSED`: the gateway or the host does not let the browser in; `data` is its number.
 * - `ENETJS_ERR_TIMEOUT`: no answer in time.
 * - `ENETJS_ERR_SOCKET`: the WebSocket could not be opened, or what answers is no gateway. Browsers do not tell more.
 * - `ENETJS_ERR_STALE`: the connection is ending or has ended.
 * - `ENETJS_ERR_UNDELIVERED`: the connection has ended before the other side had the message.
 */
export type EnetSocketErrorCode =
  | "ENETJS_ERR_REFUSED"
  | "ENETJS_ERR_TIMEOUT"
  | "ENETJS_ERR_SOCKET"
  | "ENETJS_ERR_STALE"
  | "ENETJS_ERR_UNDELIVERED";

/** A failure that is no mistake of the program. */
export class EnetSocketError extends Error {
  /** What it is about. */
  readonly code: EnetSocketErrorCode;
  /** The number of a refusal; 0 otherwise. */
  readonly data: number;

  /**
   * Made by the library.
   *
   * @param code what it is about
   * @param message text for people
   * @param data the number of a refusal
   */
  constructor(code: EnetSocketErrorCode, message: string, data = 0) {
    super(message);
    this.name = "EnetSocketError";
    this.code = code;
    this.data = data;
  }
}
