/**
 * The command `enet gateway`: a WebSocket server whose other side is a program.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { AccessLogFile } from "../gateway/access_log_file.ts";
import type { GatewayMode } from "../gateway/gateway_mode.ts";
import { type Metric, MetricsServer, serverMetrics } from "../gateway/metrics.ts";
import { PipeMode } from "../gateway/pipe_mode.ts";
import type { SocketServer, SocketServerOptions, SocketTls } from "../gateway/socket_contract.ts";
import { listenSockets } from "../gateway/socket_server.ts";
import { type Command, command } from "./command.ts";
import { GATEWAY_OPTIONS, type GatewayValues } from "./gateway_options.ts";
import { UsageError } from "./options.ts";

/** How long clients may take to read what is queued, at the end. */
const GRACE_MS = 5000;

/** Tells what happens, on standard error. */
function report(text: string): void {
  process.stderr.write(`enet gateway: ${text}\n`);
}

/** Refuses options that do not go together. */
function checkTogether(values: GatewayValues): void {
  const { std, stdin, stdout, strict, frame, pipein, pipeout } = values;
  if ((values["ssl-cert"] === undefined) !== (values["ssl-key"] === undefined)) {
    throw new UsageError("--ssl-cert and --ssl-key are needed both, or none of them");
  }
  if (strict && frame === "line") {
    throw new UsageError("--frame line is for plain mode; with --strict a header tells the length");
  }
  if (values.path !== undefined && !values.path.startsWith("/")) {
    throw new UsageError(`--path must begin with a slash: "/${values.path}"`);
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

function readTls(values: GatewayValues): SocketTls | undefined {
  const { "ssl-cert": certificate, "ssl-key": key } = values;
  if (certificate === undefined || key === undefined) return undefined;
  return { certificate: readFileSync(certificate), key: readFileSync(key) };
}

function serverOptions(values: GatewayValues, log: AccessLogFile | undefined): SocketServerOptions {
  const { origin, protocol } = values;
  const milliseconds = (seconds: number) => Math.round(seconds * 1000);
  return {
    hostname: values.addr,
    port: values.port,
    unixSocket: values["unix-socket"],
    tls: readTls(values),
    path: values.path,
    origins: origin.length > 0 ? origin : undefined,
    protocols: protocol.length > 0 ? protocol : undefined,
    maximumFrameSize: values["max-frame-size"],
    maximumMessageSize: values["max-message-size"] ?? values["max-frame-size"],
    maximumClients: values["max-clients"],
    handshakeTimeoutMs: milliseconds(values["handshake-timeout"]),
    idleTimeoutMs: milliseconds(values["idle-timeout"]),
    pingIntervalMs: milliseconds(values["ping-interval"]),
    queueLimitBytes: values["queue-limit"],
    slow: values.slow,
    accessLog: log && ((line) => log.write(line)),
  };
}

/** What the clients are joined with. */
async function openMode(values: GatewayValues): Promise<GatewayMode> {
  const { std, stdin, stdout } = values;
  return await PipeMode.open({
    pipeIn: std || stdin ? undefined : values.pipein,
    pipeOut: std || stdout ? undefined : values.pipeout,
    strict: values.strict,
    frame: values.frame,
    echo: values["echo-mode"],
    maximumFrameSize: values["max-frame-size"],
    slow: values.slow,
    queueLimitBytes: values["queue-limit"],
    report,
  });
}

/** Uses the files of the certificate as they are now. */
function reloadTls(server: SocketServer, values: GatewayValues): void {
  try {
    server.replaceTls(readTls(values)!);
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
  for (const { name, help, value } of metrics) {
    const isLoss = /dropped|unread/.test(name) && total(value) > 0;
    if (isLoss) report(`${help}: ${total(value)}`);
  }
}

async function runGateway(values: GatewayValues): Promise<number> {
  checkTogether(values);
  const metricsAt = values.metrics === undefined ? undefined : metricsAddress(values.metrics);
  using stack = new DisposableStack();
  const withTls = values["ssl-cert"] !== undefined;
  const asked = untilSignal(stack, withTls);
  const logPath = values["access-log"];
  const log = logPath === undefined ? undefined : stack.use(new AccessLogFile(logPath, report));
  if (log !== undefined) stack.use(onSignal("SIGUSR1", () => log.reopen()));
  const options = serverOptions(values, log);
  const mode = await openMode(values);
  let server: SocketServer | undefined;
  const metrics = () => [...serverMetrics(server!.stats), ...mode.metrics()];
  try {
    const listening = await listenSockets(options, mode.handlers);
    server = listening;
    if (withTls) stack.use(onSignal("SIGHUP", () => reloadTls(listening, values)));
    process.stderr.write(`listening on ${listening.url}\n`);
    if (metricsAt !== undefined) {
      const { hostname, port } = metricsAt;
      const { url } = stack.use(await MetricsServer.listen(hostname, port, metrics));
      process.stderr.write(`metrics at ${url}\n`);
    }
    await Promise.race([mode.run(listening), asked]);
    return 0;
  } finally {
    await server?.close({ code: 1001, graceMs: GRACE_MS });
    await mode.close();
    if (server !== undefined) reportLosses(metrics());
  }
}

/** The command. */
export const gateway: Command = command({
  name: "gateway",
  summary:
    "Serve WebSockets: what a program writes goes to every client, what clients send goes to the program",
  options: GATEWAY_OPTIONS,
  example: "tail -F app.log | enet gateway --port 0 --std --frame line",
  notes: [
    "Without --std, the program is whoever opens the two named pipes; they are made where they are " +
    "missing, and those that were made are removed at the end. Standard error says where the gateway " +
    "listens, and what goes wrong.",
    "SIGTERM and SIGINT end it: clients are closed with 1001. So does the end of standard input. Exit " +
    "status: 0 after a clean end, 1 after a failure, 2 for wrong usage.",
  ],
  run: runGateway,
});
