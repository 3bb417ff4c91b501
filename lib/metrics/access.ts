/**
 * Who may ask a metrics server, and what.
 *
 * Four dangers: a stranger who reaches the port; a page in a browser of this machine that has another server's name
 * point here (DNS rebinding); a page that lets its browser ask without seeing the answer (cross-site requests); and a
 * page that shows ours in a frame. The token keeps off the first. Without a token the header `Host` tells the second.
 * What browsers tell of a request, and the media type of a command, tell the third. The headers forbid the fourth.
 *
 * @module
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { isLoopbackHost } from "./serve_options.ts";

/** With every answer. */
export const HEADERS: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/** A refusal: its status, and what to do. */
export interface Refusal {
  readonly status: number;
  readonly text: string;
}

const digest = (text: string) => createHash("sha256").update(text).digest();

/** Whether a request knows the token. The time that it takes tells nothing of the token. */
function knows(token: string, authorization: string | undefined): boolean {
  const given = authorization?.match(/^Bearer +(\S+)$/i)?.[1];
  return given !== undefined && timingSafeEqual(digest(given), digest(token));
}

/** Refuses the names of other servers, where there is no token. */
export function refuseName(
  { host }: IncomingHttpHeaders,
  token: string | undefined,
): Refusal | undefined {
  if (token !== undefined || isLoopbackHost(host)) return undefined;
  return { status: 421, text: "Ask for 127.0.0.1 or localhost, or set a token" };
}

/** Refuses what is asked for by pages of others, and by those that lack the token. */
export function refuseAccess(
  headers: IncomingHttpHeaders,
  token: string | undefined,
): Refusal | undefined {
  const site = headers["sec-fetch-site"] ?? "none";
  if (site !== "same-origin" && site !== "none") {
    return { status: 403, text: "Pages of other servers are not answered" };
  }
  if (token === undefined || knows(token, headers.authorization)) return undefined;
  return { status: 401, text: "The header is missing or wrong: Authorization: Bearer TOKEN" };
}

/** Refuses commands that a page of another server could have sent. */
export function refuseCommand(
  headers: IncomingHttpHeaders,
  isAllowed: boolean,
): Refusal | undefined {
  const { origin, host } = headers;
  if (!isAllowed) return { status: 403, text: "Disconnecting peers is not allowed: see allowKick" };
  if (origin !== undefined && URL.parse(`${origin}`)?.host !== host) {
    return { status: 403, text: "Pages of other servers are not answered" };
  }
  // A page needs the consent of the other server to send this type.
  if (/^application\/json\b/i.test(headers["content-type"] ?? "")) return undefined;
  return { status: 415, text: "The body must be application/json" };
}
