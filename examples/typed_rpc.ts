/**
 * A client calls functions of a server. The type of the functions is all that the two share. Each call is
 * a request; what the function throws rejects the call.
 *
 *     deno run --allow-ffi examples/typed_rpc.ts
 *     bun examples/typed_rpc.ts
 *     node examples/typed_rpc.ts
 */
import { client, GetError, json, Messenger, serve } from "@enetjs/enet/messaging";

interface Score {
  player: string;
  points: number;
}

const scores: Score[] = [];

/** The functions of the server. */
const api = {
  add(player: string, points: number): void {
    if (points < 0) throw new RangeError(`Nobody scores ${points} points`);
    scores.push({ player, points });
  },
  best(count: number): Score[] {
    return scores.toSorted((a, b) => b.points - a.points).slice(0, count);
  },
};

await using listener = await Messenger.listen("udp://127.0.0.1:0", { codec: json }, {
  ready: (connection) => serve(connection, api),
});

await using connection = await Messenger.connect(listener.address, { codec: json });
const remote = client<typeof api>(connection);
await Promise.all([remote.add("Ada", 30), remote.add("Grace", 50), remote.add("Alan", 40)]);
for (const { player, points } of await remote.best(2)) console.log(player, points);
try {
  await remote.add("Ada", -1);
} catch (error) {
  if (!(error instanceof GetError)) throw error;
  console.log(error.outcome, error.message);
}
