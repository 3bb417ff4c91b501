/**
 * An `accept` that throws, rejects and returns nonsense. Prints as JSON the numbers that the clients got, and
 * what reached the runtime's uncaught errors.
 */
import process from "node:process";
import { type ENetError, Host } from "../../mod.ts";

const uncaught: string[] = [];
process.on("uncaughtException", (error) => void uncaught.push(error.message));
process.on("unhandledRejection", (error) => void uncaught.push(`rejection: ${error}`));

const answers: (() => unknown)[] = [
  () => {
    throw new Error("thrown");
  },
  () => Promise.reject(new Error("rejected")),
  () => undefined,
  () => -1,
  () => 0.5,
  () => Promise.resolve("yes"),
  () => null,
];
const server = await Host.listen({
  hostname: "127.0.0.1",
  accept: ({ data }) => answers[data]() as boolean,
});
const client = await Host.create();
const numbers: unknown[] = [];
for (let data = 0; data < answers.length; data++) {
  await client.connect(server.address, { data }).catch((error: ENetError) => {
    numbers.push(error.data);
  });
}
const { undecided } = server.stats.refused;
server.accept = undefined;
const peer = await client.connect(server.address);
console.log(JSON.stringify({ numbers, undecided, uncaught, state: peer.state }));
process.exit();
