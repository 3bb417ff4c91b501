/**
 * The command `enet gateway`: a WebSocket server whose other side is a program.
 *
 * @module
 */
import { isIP } from "node:net";
import process from "node:process";
import { validateAddress } from "../address.ts";
import { AccessLogFile } from "../gateway/access_log_file.ts";
import { type Metric, MetricsServer } from "../gateway/metrics.ts";
import { checkOrigin, checkPath, checkProtocol, checkUnixSocket } from "../gateway/socket_names.ts";
import { checkProxy } from "../gateway/socket_proxies.ts";
import { type Command, command } from "./command.ts";
import { GATEWAY_OPTIONS, type GatewayValues, PIPE_OPTIONS } from "./gateway_options.ts";
import {
  readTls,
  serveBrowsers,
  servePipes,
  type Serving,
  webrtcPorts,
} from "./gateway_serving.ts";
import { UsageError } from "./options.ts";

/** Tells what happens, on standard error. */
function report(text: string): void {
  process.stderr.write(`enet gateway: ${text}\n`);
}

/** Each has an ENet connection of one host. */
const MAXIMUM_BROWSERS = 4095;

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
    if (values["max-clients"] > MAXIMUM_BROWSERS) {
      throw new UsageError(`--max-clients can be ${MAXIMUM_BROWSERS} at most with --to`);
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

/** The address of `--metrics`. */
function metricsAddress(text: string): { hostname: string; port: number } {
  const match = text.match(/^(?:(.+):)?(\d{1,5})$/);
  const port = Number(match?.[2]);
  if (match === null || port > 65_535) {
    throw new UsageError(`--metrics must be a port or ADDRESS:PORT, not ${JSON.stringify(text)}`);
  }
  return { hostname: match[1]?.replace(/^\[(.*)\]$/, "$1") ?? "127.0.0.1", port };
}

/** Uses the files of the certificate as they are now. */
function reloadTls(serving: Serving, values: GatewayValues): void {
  try {
    serving.replaceTls(readTls(values)!);
    report("the certificate has been read again");
  } catch (error) {
    report(`the certificate stays as it was: ${(error as Error).message}`);
  }
}

/** Listens to a signal until disposed of. Where the system has no such signal nothing happens. */
function onSignal(signal: NodeJS.Signals, call: () => void): Disposable {
  process.on(signal, call);
  return { [Symbol.dispose]: () => void process.off(signal, call) };
}

/**
 * Resolves at the first signal that asks for the end; the second one ends the process at once. Without TLS, SIGHUP is
 * such a signal, as always: a terminal sends it when it is closed.
 */
function untilSignal(stack: DisposableStack, withTls: boolean): Promise<void> {
  const asked = Promise.withResolvers<void>();
  let count = 0;
  const end = () => {
    if (++count > 1) process.exit(1);
    asked.resolve();
  };
  const signals = ["SIGTERM", "SIGINT", ...withTls ? [] : ["SIGHUP"]] as NodeJS.Signals[];
  for (const signal of signals) stack.use(onSignal(signal, end));
  return asked.promise;
}

/** Says at the end what was lost, if anything was. */
function reportLosses(metrics: readonly Metric[]): void {
  const total = (value: Metric["value"]) =>
    typeof value === "number" ? value : Object.values(value).reduce((sum, one) => sum + one, 0);
  for (const { help, value, isLoss } of metrics) {
    if (isLoss && total(value) > 0) report(`${help}: ${total(value)}`);
  }
}

async function runGateway(values: GatewayValues): Promise<number> {
  checkNames(values);
  checkTogether(values);
  const metricsAt = values.metrics === undefined ? undefined : metricsAddress(values.metrics);
  using stack = new DisposableStack();
  const withTls = values["ssl-cert"] !== undefined;
  const asked = untilSignal(stack, withTls);
  const logPath = values["access-log"];
  const log = logPath === undefined ? undefined : stack.use(new AccessLogFile(logPath, report));
  if (log !== undefined) stack.use(onSignal("SIGUSR1", () => log.reopen()));
  const serving = await (values.to === undefined ? servePipes : serveBrowsers)(values, log, report);
  try {
    if (withTls) stack.use(onSignal("SIGHUP", () => reloadTls(serving, values)));
    process.stderr.write(`listening on ${serving.url}\n`);
    if (metricsAt !== undefined) {
      const { hostname, port } = metricsAt;
      const listening = MetricsServer.listen(hostname, port, () => serving.metrics());
      process.stderr.write(`metrics at ${stack.use(await listening).url}\n`);
    }
    await Promise.race([serving.ended, asked]);
    return 0;
  } finally {
    await serving.close();
    reportLosses(serving.metrics());
  }
}

/** The command. */
export const gateway: Command = command({
  name: "gateway",
  summary:
    "Serve WebSockets: before a program that reads and writes pipes, or with --to before an ENet server",
  options: GATEWAY_OPTIONS,
  example: "tail -F app.log | enet gateway --port 0 --std --frame line",
  notes: [
    "With --to, each client is a browser with EnetSocket of @enetjs/enet/browser, and gets an ENet connection " +
    "of its own to the server. The options of pipes, messages and queues do not apply then.",
    "Without --std, the program is whoever opens the two named pipes; they are made where they are " +
    "missing, and those that were made are removed at the end. Standard error says where the gateway " +
    "listens, and what goes wrong.",
    "SIGTERM and SIGINT end it: clients are closed with 1001. So does the end of standard input. Exit " +
    "status: 0 after a clean end, 1 after a failure, 2 for wrong usage.",
  ],
  run: runGateway,
});
