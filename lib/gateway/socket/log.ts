/**
 * The lines of the access log.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { SocketRequest } from "./contract.ts";

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

/** Bytes of a text of a stranger that a line has at most, so that a request of 8 KiB does not become a longer line. */
const LONGEST_FIELD = 1024;

/** What a line is about. */
export interface LogEntry {
  /** The client's IP address, empty where there is none. */
  readonly address: string;
  /** The first line of the request, as it came; empty when there was none. */
  readonly requestLine: string;
  readonly request: SocketRequest | undefined;
  readonly status: number;
  /** Payload sent to the client. */
  readonly bytes: number;
  readonly elapsedMs: number;
}

const two = (number: number): string => String(number).padStart(2, "0");

/** As `27/Nov/2026:08:05:09 +0100`, in the time zone of the process. */
function dateOf(time: Date): string {
  const offset = -time.getTimezoneOffset();
  const zone = Math.abs(offset);
  return `${two(time.getDate())}/${MONTHS[time.getMonth()]}/${time.getFullYear()}:` +
    `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())} ` +
    `${offset < 0 ? "-" : "+"}${two(Math.floor(zone / 60))}${two(zone % 60)}`;
}

/**
 * Text of a stranger as one field: a line of the log has no quote, no line break and no control character that is not
 * the log's own.
 *
 * @param latin1 the bytes as they came, one a character
 */
function field(latin1: string | undefined): string {
  const bytes = Buffer.from(latin1 ?? "", "latin1");
  const rest = bytes.length > LONGEST_FIELD ? "…" : "";
  const text = bytes.toString("utf8", 0, LONGEST_FIELD) + rest;
  return text.replace(/["\\\n\r\t]/g, (character) => ESCAPES[character])
    .replace(/[\p{Cc}\u2028\u2029]/gu, "") || "-";
}

/** The line of an entry, without a newline. */
export function formatLogLine(entry: LogEntry, time: Date = new Date()): string {
  const { address, requestLine, request, status, bytes, elapsedMs } = entry;
  const referer = field(request?.headers.get("referer"));
  const agent = field(request?.headers.get("user-agent"));
  return `${address || "-"} - - [${dateOf(time)}] "${field(requestLine)}" ${status} ${bytes} ` +
    `"${referer}" "${agent}" ${Math.round(elapsedMs)}`;
}
