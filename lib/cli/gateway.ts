/**
 * The command `enet gateway`: a WebSocket server whose other side is a program.
 *
 * @module
 */
import process from "node:process";
import { AccessLogFile } from "../gateway/access_log_file.ts";
import { type Metric, MetricsServer } from "../gateway/metrics.ts";
import { Disposables } from "../internal/disposables.ts";
import { type Command, command } from "./command.ts";
import { checkValues, metricsAddress } from "./gateway_checks.ts";
import { GATEWAY_OPTIONS, type GatewayValues } from "./gateway_options.ts";
import { readTls, serveBrowsers, servePipes, type Serving } from "./gateway_serving.ts";

/** Tells what happens, on standard error. */
function report(text: string): void {
  process.stderr.write(`enet gateway: ${text}\n`);
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
function untilSignal(stack: Disposables, withTls: boolean): Promise<void> {
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

function lostLines({ dropped }: AccessLogFile): Metric {
  const help = "Lines of the access log that could not be written";
  return { name: "access_log_dropped", help, value: dropped, isLoss: true };
}

async function runGateway(values: GatewayValues): Promise<number> {
  checkValues(values);
  const metricsAt = values.metrics === undefined ? undefined : metricsAddress(values.metrics);
  using stack = new Disposables();
  const withTls = values["ssl-cert"] !== undefined;
  const asked = untilSignal(stack, withTls);
  const logPath = values["access-log"];
  const log = logPath === undefined ? undefined : stack.use(new AccessLogFile(logPath, report));
  if (log !== undefined) stack.use(onSignal("SIGUSR1", () => log.reopen()));
  const serving = await (values.to === undefined ? servePipes : serveBrowsers)(values, log, report);
  const metrics = () => [...serving.metrics(), ...log === undefined ? [] : [lostLines(log)]];
  try {
    if (withTls) stack.use(onSignal("SIGHUP", () => reloadTls(serving, values)));
    process.stderr.write(`listening on ${serving.url}\n`);
    if (metricsAt !== undefined) {
      const { hostname, port } = metricsAt;
      const listening = MetricsServer.listen(hostname, port, metrics);
      process.stderr.write(`metrics at ${stack.use(await listening).url}\n`);
    }
    await Promise.race([serving.ended, asked]);
    return 0;
  } finally {
    await serving.close();
    reportLosses(metrics());
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
