/**
 * What the names among the options may be: paths, origins, protocols. The command checks them, too, before it begins.
 *
 * Each check returns the value as it is used, and throws a `TypeError` or `RangeError` that begins with the name of the
 * option.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { show } from "../../internal/validate.ts";

/** The longest path of a Unix socket on Linux, in bytes. */
const LONGEST_PATH = 107;

/** A text that is not empty. */
export function checkText(value: unknown, name: string): string {
  if (typeof value !== "string" || value === "" || value.includes("\0")) {
    throw new TypeError(`${name} must be a string that is not empty, not ${show(value)}`);
  }
  return value;
}

/** Checks each item of an array. */
export function checkEach(
  value: unknown,
  name: string,
  check: (item: unknown, name: string) => string,
): string[] {
  if (!Array.isArray(value)) throw new TypeError(`${name} must be an array, not ${show(value)}`);
  return value.map((item, i) => check(item, `${name}[${i}]`));
}

/** The path of a Unix socket. */
export function checkUnixSocket(value: unknown, name: string): string {
  const path = checkText(value, name);
  if (Buffer.byteLength(path) > LONGEST_PATH) {
    throw new RangeError(
      `${name} must be a path of at most ${LONGEST_PATH} bytes, not ${show(value)}`,
    );
  }
  return path;
}

/** The path of a URL. */
export function checkPath(value: unknown, name: string): string {
  const path = checkText(value, name);
  if (!/^\/[^?#\s]*$/.test(path)) {
    throw new TypeError(`${name} must begin with / and have no query, not ${show(value)}`);
  }
  return path;
}

/** A subprotocol. */
export function checkProtocol(value: unknown, name: string): string {
  const protocol = checkText(value, name);
  if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(protocol)) {
    throw new TypeError(`${name} must be a name without spaces and separators, not ${show(value)}`);
  }
  return protocol;
}

/**
 * An origin, in lower case. One that no browser sends would let nobody in: with a slash at its end, the port 443 of
 * `https`, the scheme `wss`, or letters that are not ASCII.
 */
export function checkOrigin(value: unknown, name: string): string {
  const origin = checkText(value, name).toLowerCase();
  const known = URL.parse(origin)?.origin ?? "null";
  const sent = known === "null" ? undefined : known.replace(/^ws/, "http");
  // Schemes that `URL` gives no origin, such as those of browser extensions, and pages without an origin.
  const isOther = sent === undefined && /^(?:null|[a-z][a-z\d+.-]*:\/\/[^/?#@\s]*)$/.test(origin);
  if (sent === origin || isOther) return origin;
  const hint = sent === undefined ? "" : ` (did you mean "${sent}"?)`;
  throw new TypeError(
    `${name} must be an origin as browsers send it, such as "https://example.org", not ${
      show(value)
    }${hint}`,
  );
}
