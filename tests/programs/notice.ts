/**
 * A host that four clients connect to while JavaScript is busy, so that it takes none of their events,
 * and that then ends in the way its first argument names. Prints `port`, and `closed` where it can.
 */
import process from "node:process";
import { Host } from "../../mod.ts";

const CLIENTS = 4;
const [way] = process.argv.slice(2);
const host = await Host.listen({ hostname: "127.0.0.1", pump: way !== "exit without a pump" });
console.log("port", host.address.port);

function serve(): void {
  while (host.stats.connectedPeers < CLIENTS) {
    if (way === "exit without a pump") host.service(10);
  }
}

/** Ends the program, or lets it end. */
async function end(): Promise<void> {
  switch (way) {
    case "close":
      await host.close({ graceMs: 20_000 });
      console.log("closed");
      break;
    case "close without grace":
      await host.close({ graceMs: 0 });
      console.log("closed");
      break;
    case "dispose":
      host[Symbol.dispose]();
      console.log("closed");
      break;
    case "natural end":
      host.unref();
      break;
    case "throw":
      throw new Error("thrown on purpose");
    default:
      process.exit(0);
  }
}

setTimeout(() => {
  serve();
  void end();
}, 0);
