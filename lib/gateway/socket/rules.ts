/**
 * Which requests are let in, as far as the options decide that.
 *
 * @module
 */
import type { SocketRequest } from "./contract.ts";
import type { SocketPlan } from "./options.ts";
import { listOf, Refusal } from "./request.ts";

const has = (request: SocketRequest, name: string, token: string): boolean =>
  listOf(request.headers.get(name)).some((item) => item.toLowerCase() === token);

const upgrade = (detail: string) =>
  new Refusal(426, detail, ["Upgrade: websocket", "Sec-WebSocket-Version: 13"]);

/** Refuses what is no handshake, then a wrong path, origin or protocol. */
export function examine(request: SocketRequest, plan: SocketPlan): Refusal | undefined {
  const { headers, method, path, protocols } = request;
  if (method !== "GET") return new Refusal(405, "a handshake is a GET", ["Allow: GET"]);
  if (!has(request, "upgrade", "websocket")) return upgrade("here are WebSockets only");
  if (!has(request, "connection", "upgrade")) {
    return new Refusal(400, "the Connection header does not name Upgrade");
  }
  if (headers.get("sec-websocket-version") !== "13") return upgrade("the version must be 13");
  if (!/^[+/0-9A-Za-z]{22}==$/.test(headers.get("sec-websocket-key") ?? "")) {
    return new Refusal(400, "Sec-WebSocket-Key is not 16 bytes in base64");
  }
  if (plan.path !== undefined && path !== plan.path) return new Refusal(404, "no such path");
  const origin = headers.get("origin")?.toLowerCase();
  if (plan.origins !== undefined && (origin === undefined || !plan.origins.has(origin))) {
    return new Refusal(403, "this origin may not connect");
  }
  if (plan.protocols.length > 0 && chooseProtocol(protocols, plan) === "") {
    return new Refusal(400, `the protocols here are ${plan.protocols.join(", ")}`);
  }
}

/** The first protocol that both know, in the client's order; empty without one. */
export function chooseProtocol(offered: readonly string[], plan: SocketPlan): string {
  return offered.find((name) => plan.protocols.includes(name)) ?? "";
}
