/**
 * The clients of a measurement of rooms: 500 on each of four hosts, in rooms of 20 across the hosts. In each room one
 * client sends 20 messages a second. Arguments: how many seconds, then the port of each host.
 *
 * Prints one line of JSON.
 *
 * @module
 */
import process from "node:process";

/** A client in a room. */
export interface RoomClient {
  send(bytes: Uint8Array): void;
}

const PEERS = 500;
const MEMBERS = 20;
const PER_SECOND = 20;
const BYTES = 64;

/** Until all have joined, and before the figures count. */
const SETTLE_MS = 3000;

/** How long messages may still come in the end. */
const DRAIN_MS = 30_000;

function quantile(sorted: Float64Array, part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
}

/**
 * Runs the clients of one kind.
 *
 * @param spread whether the members of a room are on all hosts, or on one
 */
export async function runLoad(
  connect: (
    port: number,
    room: string,
    receive: (bytes: Uint8Array) => void,
  ) => Promise<RoomClient>,
  { spread = true }: { spread?: boolean } = {},
): Promise<void> {
  const [seconds, ...ports] = process.argv.slice(2).map(Number);
  const times = { here: [] as number[], elsewhere: [] as number[] };
  const senders: { client: RoomClient; host: number }[] = [];
  let counts = false;
  for (let i = 0; i < PEERS * ports.length; i++) {
    const room = Math.floor(i / MEMBERS);
    const host = (spread ? i : room) % ports.length;
    const client = await connect(ports[host], `room-${room}`, (bytes) => {
      if (!counts) return;
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      const way = view.getUint8(8) === host ? times.here : times.elsewhere;
      way.push(performance.now() - view.getFloat64(0));
    });
    // Senders on all hosts.
    if (i % MEMBERS === room % ports.length) senders.push({ client, host });
  }
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  counts = true;
  console.log("measuring");
  const begin = performance.now();
  let sent = 0;
  const due = () => Math.floor((performance.now() - begin) / 1000 * PER_SECOND * senders.length);
  while (performance.now() - begin < seconds * 1000) {
    for (const all = due(); sent < all; sent++) {
      const { client, host } = senders[sent % senders.length];
      const bytes = new Uint8Array(BYTES);
      const view = new DataView(bytes.buffer);
      view.setFloat64(0, performance.now());
      view.setUint8(8, host);
      client.send(bytes);
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  // On a slow machine messages are still under way.
  for (let before = -1, end = performance.now() + DRAIN_MS; performance.now() < end;) {
    const now = times.here.length + times.elsewhere.length;
    if (now === sent * MEMBERS || now === before) break;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  const [here, elsewhere] = [times.here, times.elsewhere].map((all) =>
    Float64Array.from(all).sort()
  );
  console.log(JSON.stringify({
    sent,
    received: here.length + elsewhere.length,
    expected: sent * MEMBERS,
    p50Here: quantile(here, 0.5),
    p99Here: quantile(here, 0.99),
    p50Elsewhere: quantile(elsewhere, 0.5),
    p99Elsewhere: quantile(elsewhere, 0.99),
  }));
  process.exit(0);
}
