/**
 * Many bots at once, and what they have seen as a table.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type AddressLike, Host } from "@enetjs/enet";
import { type Behaviour, Bot } from "./bot.ts";
import { codeName } from "./protocol.ts";

/** What the first bots are there for; all others play. */
const BEHAVIOURS: readonly Behaviour[] = ["cheat", "sleep", "reconnect"];

/** Has bots play for some seconds, from when all of them are in. */
export async function playBots(
  address: AddressLike,
  count: number,
  seconds: number,
): Promise<Bot[]> {
  await using host = await Host.create({ peers: count });
  const end = new AbortController();
  const bots = Array.from(
    { length: count },
    (_, i) => new Bot(`bot ${i + 1}`, BEHAVIOURS[i] ?? "play"),
  );
  const playing = Promise.all(bots.map((bot) => bot.play(host, address, end.signal)));
  await Promise.race([Promise.all(bots.map(({ loggedIn }) => loggedIn)), playing]);
  await sleep(seconds * 1000);
  end.abort();
  await playing;
  return bots;
}

/** What the bots have seen, room by room, and how their connections ended. */
export function report(bots: readonly Bot[], seconds: number): string {
  const rooms = [...new Set(bots.map(({ room }) => room))].sort((a, b) => a - b);
  const rows = [
    ["room", "players", "snapshots/s", "missed", "lines", "p50 ms", "p99 ms"],
    ...rooms.map((room) => row(`${room}`, bots.filter((bot) => bot.room === room), seconds)),
    row("all", bots, seconds),
  ];
  const kicked = bots.flatMap(({ name, kicked }) =>
    kicked === undefined ? [] : `${name} (${codeName(kicked)})`
  );
  const back = bots.filter(({ connections }) => connections > 1).map(({ name }) => name);
  return [
    ...rows.map((cells) => cells.map((cell) => cell.padStart(11)).join(" ")),
    `logged in: ${bots.filter(({ room }) => room > 0).length}`,
    `got snapshots: ${bots.filter(({ snapshots }) => snapshots > 0).length}`,
    `kicked: ${kicked.join(", ") || "nobody"}`,
    `came back: ${back.join(", ") || "nobody"}`,
  ].join("\n");
}

function row(name: string, bots: readonly Bot[], seconds: number): string[] {
  const sum = (count: (bot: Bot) => number) => bots.reduce((total, bot) => total + count(bot), 0);
  const times = bots.flatMap(({ roundTripsMs }) => roundTripsMs).sort((a, b) => a - b);
  const quantile = (part: number) => times[Math.floor(part * times.length)]?.toFixed(1) ?? "-";
  return [
    name,
    `${bots.length}`,
    (sum(({ snapshots }) => snapshots) / seconds).toFixed(0),
    `${sum(({ missed }) => missed)}`,
    `${sum(({ lines }) => lines)}`,
    quantile(0.5),
    quantile(0.99),
  ];
}
