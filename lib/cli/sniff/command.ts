/**
 * The command `enet sniff`: explains the ENet datagrams of a capture, command by command.
 *
 * @module
 */
import { show } from "../../../ffi/show.ts";
import { type Command, command } from "../frame/command.ts";
import { UsageError } from "../frame/options.ts";
import {
  LINES,
  OPERANDS,
  OPTIONS,
  planFilter,
  type SniffTerminal,
  type SniffValues,
} from "./options.ts";
import { CaptureError } from "./records.ts";
import { Sniffer } from "./sniffer.ts";
import { openFile, openInterface, type Source } from "./source.ts";

function planSource({ file, interface: name }: SniffValues, terminal: SniffTerminal): Source {
  if ((file === undefined) === (name === undefined)) {
    throw new UsageError("say what to read: either a FILE or --interface");
  }
  return name === undefined ? openFile(file!, terminal) : openInterface(name, terminal);
}

async function runSniff(values: SniffValues, terminal: SniffTerminal): Promise<number> {
  planFilter(values.to);
  using source = planSource(values, terminal);
  const sniffer = new Sniffer(terminal, values);
  let isWhole = true;
  try {
    await sniffer.read(source);
  } catch (error) {
    if (!(error instanceof CaptureError) || sniffer.datagrams === 0) throw nameFile(error, values);
    terminal.report(nameFile(error, values).message);
    isWhole = false;
  }
  if (sniffer.report.isCutOff) terminal.report("the file ends within a packet");
  sniffer.summarize();
  return isWhole ? 0 : 1;
}

/** Says which file is no capture. */
function nameFile(error: unknown, { file }: SniffValues): Error {
  if (!(error instanceof CaptureError) || file === undefined) return error as Error;
  return new Error(`${show(file)}: ${error.message}`, { cause: error });
}

/** The command. */
export const sniff: Command = command({
  name: "sniff",
  summary: "Explain the ENet datagrams of a capture, command by command",
  operands: OPERANDS,
  options: OPTIONS,
  lines: LINES,
  example: "enet sniff examples/capture.pcapng --quiet",
  notes: [
    "Captures come from tcpdump, Wireshark, host.capture() and ENETJS_TRACE. Times are seconds since the first " +
    "datagram. A command is the same as an earlier one, sent again, when its channel and its sequence number are.",
    "What is encrypted is named, and cannot be read: capture it with plain: true, or with ENETJS_TRACE_PLAIN=1. " +
    "Another program's capture can be piped: tcpdump -U -w - udp | enet sniff -.",
    "Exit status: 0 when all was read, 1 when the capture is damaged or there is none, 2 for wrong usage.",
  ],
  run: runSniff,
});
