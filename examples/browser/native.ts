/**
 * The player in the terminal: the arrow keys steer, q leaves. Without a terminal, it chases the star by itself.
 *
 *     deno run --allow-ffi examples/browser/native.ts
 *     bun examples/browser/native.ts
 *     node examples/browser/native.ts
 *
 * A first argument is the server's address, `127.0.0.1:7777` by default; a second one the seconds to play.
 */
import process from "node:process";
import { Host, PacketFlag } from "@enetjs/enet";
import { CHANNELS, FIELD, type PlayerView, type State, type Steering } from "./game.ts";

const address = process.argv[2] ?? "127.0.0.1:7777";
const seconds = Number(process.argv[3] ?? Infinity);
const ends = performance.now() + seconds * 1000;
const token = Math.floor(Math.random() * 2 ** 32);
const isPerson = process.stdin.isTTY === true;
let steering: Steering = { x: 0, y: 0 };

const KEYS: Readonly<Record<string, Steering>> = {
  "\x1b[A": { x: 0, y: -1 },
  "\x1b[B": { x: 0, y: 1 },
  "\x1b[C": { x: 1, y: 0 },
  "\x1b[D": { x: -1, y: 0 },
  " ": { x: 0, y: 0 },
};

function draw({ you, star, players, secondsLeft }: State): void {
  const [width, height] = [60, 24];
  const rows = Array.from({ length: height }, () => Array<string>(width).fill(" "));
  const put = ({ x, y }: { x: number; y: number }, sign: string) => {
    const at = (value: number, most: number) =>
      Math.min(most - 1, Math.floor(value / FIELD * most));
    rows[at(y, height)][at(x, width)] = sign;
  };
  put(star, "*");
  for (const player of players) put(player, player.id === you ? "@" : "o");
  const line = (p: PlayerView) =>
    `${p.id === you ? "@" : "o"} ${p.kind} ${p.score} points, ${p.roundTrip} ms, ${
      (100 * p.loss).toFixed(1)
    } % lost${p.here ? "" : ", away"}`;
  const frame = rows.map((row) => `|${row.join("")}|`).join("\n");
  console.log(`\x1b[H\x1b[2J${frame}\n${secondsLeft} s\n${players.map(line).join("\n")}`);
}

await using host = await Host.create();
const peer = await host.connect(address, { channels: CHANNELS, data: token });
if (isPerson) {
  process.stdin.setRawMode(true).setEncoding("utf8").on("data", (key: string) => {
    if (key === "q" || key === "\x03") return void peer.disconnect();
    steering = KEYS[key] ?? steering;
  });
}
let last: State | undefined;
for await (const { packet } of peer) {
  const state = last = JSON.parse(packet.text()) as State;
  const me = state.players.find(({ id }) => id === state.you)!;
  if (!isPerson) steering = { x: (state.star.x - me.x) / 100, y: (state.star.y - me.y) / 100 };
  peer.send(1, JSON.stringify(steering), PacketFlag.UNRELIABLE);
  if (isPerson) draw(state);
  if (performance.now() > ends) break;
}
process.stdin.pause();
const me = last?.players.find(({ id }) => id === last?.you);
console.log(`played: ${me?.score} points, ${last?.players.length} players`);
