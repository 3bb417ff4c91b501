/**
 * What is wrong usage of `enet gateway`, beyond what the table of its options says: names that the library would refuse,
 * and options that do not go together.
 *
 * @module
 */
import { isIP } from "node:net";
import { LAYOUT } from "../../../ffi/layout.ts";
import { validateAddress } from "../../address.ts";
import {
  checkOrigin,
  checkPath,
  checkProtocol,
  checkUnixSocket,
} from "../../gateway/socket/names.ts";
import { checkProxy } from "../../gateway/socket/proxies.ts";
import { GATEWAY_OPTIONS, type GatewayValues, PIPE_OPTIONS } from "./options.ts";
import { webrtcPorts } from "./serving.ts";
import { UsageError } from "../frame/options.ts";

/** What a check of the library refuses is wrong usage. */
function asUsage(check: () => void, prefix = ""): void {
  try {
    check();
  } catch (error) {
    throw new UsageError(prefix + (error as Error).message);
  }
}

/** Refuses names that the library would refuse, before anything begins. */
function checkNames(values: GatewayValues): void {
  const { path, origin, proxy, protocol, "unix-socket": unixSocket, to } = values;
  asUsage(() => {
    if (path !== undefined) checkPath(path, "--path");
    if (unixSocket !== undefined) checkUnixSocket(unixSocket, "--unix-socket");
    for (const one of origin) checkOrigin(one, "--origin");
    for (const one of proxy) checkProxy(one, "--proxy");
    for (const one of protocol) checkProtocol(one, "--protocol");
  });
  if (to !== undefined) asUsage(() => validateAddress(to, 1), "--to: ");
}

function checkWebRtc(values: GatewayValues): void {
  const { webrtc, "webrtc-ports": ports, "webrtc-address": addresses } = values;
  if (!webrtc && (ports !== undefined || addresses.length > 0)) {
    throw new UsageError("--webrtc-ports and --webrtc-address are for --webrtc: add it");
  }
  if (ports !== undefined && webrtcPorts(ports) === undefined) {
    throw new UsageError(`--webrtc-ports must be two ports, as 40000-40999, not "${ports}"`);
  }
  if (webrtc && addresses.length === 0 && (values.proxy.length > 0 || values["unix-socket"])) {
    throw new UsageError("--webrtc behind a proxy needs --webrtc-address: say where UDP arrives");
  }
  const wrong = addresses.find((address) => isIP(address) === 0);
  if (wrong !== undefined) {
    throw new UsageError(`--webrtc-address must be an IP address, not "${wrong}"`);
  }
}

/** Whether an option has another value than it begins with. */
function isGiven(values: GatewayValues, name: keyof GatewayValues): boolean {
  const option = GATEWAY_OPTIONS[name];
  const value = values[name];
  if (Array.isArray(value)) return value.length > 0;
  return "initial" in option ? value !== option.initial : Boolean(value);
}

/** Refuses options that do not go together. */
function checkTogether(values: GatewayValues): void {
  const { std, stdin, stdout, strict, frame, pipein, pipeout } = values;
  if (values.to !== undefined) {
    const name = PIPE_OPTIONS.find((name) => isGiven(values, name));
    if (name !== undefined) {
      throw new UsageError(`--${name} is for pipes: leave it out, or leave --to out`);
    }
    if (values["max-clients"] > LAYOUT.MAXIMUM_PEERS) {
      throw new UsageError(`--max-clients can be ${LAYOUT.MAXIMUM_PEERS} at most with --to`);
    }
  } else if (values.compress || values.checksum || values.webrtc) {
    throw new UsageError(
      "--compress, --checksum and --webrtc are for an ENet server: say which with --to",
    );
  }
  if (values["unix-socket"] !== undefined && (isGiven(values, "addr") || isGiven(values, "port"))) {
    throw new UsageError("--unix-socket takes the place of --addr and --port: leave those out");
  }
  checkWebRtc(values);
  if ((values["ssl-cert"] === undefined) !== (values["ssl-key"] === undefined)) {
    throw new UsageError("--ssl-cert and --ssl-key are needed both, or none of them");
  }
  if (strict && frame === "line") {
    throw new UsageError("--frame line is for plain mode; with --strict a header tells the length");
  }
  if (!std && !stdin && !stdout && pipein === pipeout) {
    throw new UsageError("--pipein and --pipeout must be two pipes");
  }
}

/**
 * Checks all values before anything begins.
 *
 * @throws {UsageError} When one is wrong, or some do not go together.
 */
export function checkValues(values: GatewayValues): void {
  checkNames(values);
  checkTogether(values);
}

/** The address of `--metrics`. */
export function metricsAddress(text: string): { hostname: string; port: number } {
  const match = text.match(/^(?:(.+):)?(\d{1,5})$/);
  const port = Number(match?.[2]);
  if (match === null || port > 65_535) {
    throw new UsageError(`--metrics must be a port or ADDRESS:PORT, not ${JSON.stringify(text)}`);
  }
  return { hostname: match[1]?.replace(/^\[(.*)\]$/, "$1") ?? "127.0.0.1", port };
}
