/** A server whose handler throws at the thousandth message of a flood; says how many came until the end. */
import process from "node:process";
import { Host } from "../../mod.ts";
import { burn, WORK_MS } from "../_flood.ts";

let received = 0;
const server = await Host.listen({ hostname: "127.0.0.1" }, {
  receive() {
    burn(WORK_MS);
    if (++received === 1000) throw new Error("In a flood");
  },
});
process.on("exit", () => console.log(`received ${received}`));
console.log(`port ${server.address.port}`);
