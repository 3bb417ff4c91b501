/**
 * The command `enet gateway`: a WebSocket server whose other side is a program.
 *
 * @module
 */
import { AccessLogFile } from "../../gateway/access_log_file.ts";
import type { Metric } from "../../gateway/metrics.ts";
import { Disposables } from "../../internal/disposables.ts";
import { type Command, command } from "../frame/command.ts";
import type { Terminal } from "../frame/terminal.ts";
import { checkValues, metricsAddress } from "./checks.ts";
import { MetricsServer } from "./metrics_server.ts";
import { GATEWAY_OPTIONS, type GatewayValues } from "./options.ts";
import { readTls, serveBrowsers, servePipes, type Serving } from "./serving.ts";

const LINES = {
  listening: { help: "clients may connect", fields: { url: "where" } },
  metrics: { help: "with `--metrics`, the counters can be read", fields: { url: "where" } },
  lost: {
    help: "at the end, for each kind of loss that there was",
    fields: { name: "of the counter, as in the metrics", value: "how many" },
  },
} as const;

type GatewayTerminal = Terminal<typeof LINES>;

/** Uses the files of the certificate as they are now. */
function reloadTls(serving: Serving, values: GatewayValues, terminal: GatewayTerminal): void {
  try {
    serving.replaceTls(readTls(values)!);
    terminal.report("the certificate has been read again");
  } catch (error) {
    terminal.report(`the certificate stays as it was: ${(error as Error).message}`);
  }
}

/** Says at the end what was lost, if anything was. */
function reportLosses(metrics: readonly Metric[], terminal: GatewayTerminal): void {
  const total = (value: Metric["value"]) =>
    typeof value === "number" ? value : Object.values(value).reduce((sum, one) => sum + one, 0);
  for (const { name, help, value, isLoss } of metrics) {
    if (!isLoss || total(value) === 0) continue;
    terminal.print("lost", { name, value: total(value) }, `enet gateway: ${help}: ${total(value)}`);
  }
}

function lostLines({ dropped }: AccessLogFile): Metric {
  const help = "Lines of the access log that could not be written";
  return { name: "access_log_dropped", help, value: dropped, isLoss: true };
}

async function runGateway(values: GatewayValues, terminal: GatewayTerminal): Promise<number> {
  checkValues(values);
  const metricsAt = values.metrics === undefined ? undefined : metricsAddress(values.metrics);
  const report = (text: string) => terminal.report(text);
  using stack = new Disposables();
  const logPath = values["access-log"];
  const log = logPath === undefined ? undefined : stack.use(new AccessLogFile(logPath, report));
  if (log !== undefined) stack.use(terminal.onSignal("SIGUSR1", () => log.reopen()));
  const serving = await (values.to === undefined ? servePipes : serveBrowsers)(values, log, report);
  const metrics = () => [...serving.metrics(), ...log === undefined ? [] : [lostLines(log)]];
  try {
    if (values["ssl-cert"] !== undefined) {
      stack.use(terminal.onSignal("SIGHUP", () => reloadTls(serving, values, terminal)));
    }
    terminal.print("listening", { url: serving.url }, `listening on ${serving.url}`);
    if (metricsAt !== undefined) {
      const { hostname, port } = metricsAt;
      const { url } = stack.use(await MetricsServer.listen(hostname, port, metrics));
      terminal.print("metrics", { url }, `metrics at ${url}`);
    }
    await Promise.race([serving.ended, terminal.untilStopped()]);
    return 0;
  } finally {
    await serving.close();
    reportLosses(metrics(), terminal);
  }
}

/** The command. */
export const gateway: Command = command({
  name: "gateway",
  summary:
    "Serve WebSockets: before a program that reads and writes pipes, or with --to before an ENet server",
  operands: {},
  options: GATEWAY_OPTIONS,
  lines: LINES,
  linesTo: "stderr",
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
