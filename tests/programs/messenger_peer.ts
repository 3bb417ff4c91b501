/**
 * Listens on the address of its first argument, with the options of its second, and answers:
 * `echo …` with the text, `busy MS` after MS milliseconds in which this thread does nothing else, `wait` never.
 * The ends of connections are printed.
 */
import process from "node:process";
import { Messenger } from "../../lib/messaging/mod.ts";
import { block } from "../_helpers.ts";

const [address, options] = process.argv.slice(2);
const listener = await Messenger.listen(address, JSON.parse(options), {
  closed: (_, end) => console.log(`closed ${end.reason}`),
  request(request) {
    const [what, rest] = request.data.text().split(" ");
    if (what === "echo") return rest;
    if (what === "busy") {
      block(Number(rest));
      return "was busy";
    }
  },
});
const { protocol, port } = listener.address;
console.log(`listening ${protocol}://127.0.0.1:${port}`);
