/**
 * The game of `examples/browser/` in a real browser: it joins, moves, sees the other player move, loses its connection
 * and comes back. With ENETJS_SCREENSHOT, the picture of `docs/gateway.md` is written there.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { writeFileSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { Game, type Steering } from "../../examples/browser/game.ts";
import { serveWeb } from "../../examples/browser/web.ts";
import { Gateway } from "../../lib/gateway/mod.ts";
import { DisconnectCode, ENetError, Host, type Peer } from "../../mod.ts";
import { print } from "../../tools/_run.ts";
import { chromium } from "../../tools/chromium.ts";
import { until } from "../_helpers.ts";
import { openPage } from "./_chromium.ts";

const LOOPBACK = "127.0.0.1";

const isAbsent = chromium() === undefined;

if (isAbsent) {
  print("NOT TESTED: there is no Chromium here. `deno task setup` installs it on Debian\n");
}

/** The game, its page, and the player in the terminal's place. */
async function open(stack: AsyncDisposableStack) {
  const game = stack.adopt(await Game.open(LOOPBACK, 0), (game) => game.close());
  const gateway = stack.use(await Gateway.listen({ host: game.host, hostname: LOOPBACK }));
  const { url, server } = await serveWeb(LOOPBACK, 0, gateway.url);
  stack.defer(() => {
    server.close();
    server.closeAllConnections();
  });
  const native = stack.use(await Host.create());
  const peer = await native.connect(game.host.address, { data: 1 });
  void (async () => {
    for await (const _ of peer);
  })();
  return { game, url, peer };
}

/** The middle of a player's circle as it is drawn, as `"red,green,blue"`. */
const pixel = (id: number) =>
  `(() => {
  const { x, y } = game.shown.get(${id});
  const context = document.getElementById("field").getContext("2d");
  const [r, g, b] = context.getImageData(Math.round(x - 22), Math.round(y), 1, 1).data;
  return [r, g, b].join();
})()`;

function rgb(color: string): string {
  return [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16)).join();
}

test("The game refuses a client without the channel that it sends its state on", async () => {
  await using stack = new AsyncDisposableStack();
  const game = stack.adopt(await Game.open(LOOPBACK, 0), (game) => game.close());
  const client = stack.use(await Host.create());
  const refusal = await client.connect(game.host.address, { channels: 1 }).catch((error) => error);
  assert(refusal instanceof ENetError, "it is refused");
  assertEquals(refusal.data, DisconnectCode.DENIED);
  await client.connect(game.host.address, { channels: 2 });
});

test(
  "The page joins, moves, sees the other move, loses its connection and comes back",
  { skip: isAbsent },
  async () => {
    await using stack = new AsyncDisposableStack();
    const { game, url, peer } = await open(stack);
    const page = stack.use(await openPage(url));
    await page.until("globalThis.game?.state?.players.length === 2", "both players");
    const state = () =>
      page.evaluate<
        { you: number; players: { id: number; x: number; y: number; color: string }[] }
      >(
        "game.state",
      );
    const { you, players } = await state();
    const other = players.find(({ id }) => id !== you)!;
    const steer = (peer: Peer, steering: Steering) => peer.send(1, JSON.stringify(steering));

    // The other moves: the page draws it where it is.
    const target = other.x > 500 ? -1 : 1;
    steer(peer, { x: target, y: 0 });
    const xOf = (id: number) => `game.state.players.find(({ id }) => id === ${id}).x`;
    await page.until(`Math.abs(${xOf(other.id)} - ${other.x}) > 150`, "the other to move");
    steer(peer, { x: 0, y: 0 });
    await page.until(
      `Math.abs(game.shown.get(${other.id}).x - ${xOf(other.id)}) < 1`,
      "the drawing to follow",
    );
    assertEquals(await page.evaluate(pixel(other.id)), rgb(other.color));

    // The page moves, by a key: everybody sees it.
    const me = players.find(({ id }) => id === you)!;
    const key = { code: me.y > 500 ? "ArrowUp" : "ArrowDown" };
    await page.command("Input.dispatchKeyEvent", { type: "keyDown", ...key });
    const yOf = `game.state.players.find(({ id }) => id === ${you}).y`;
    await page.until(`Math.abs(${yOf} - ${me.y}) > 150`, "the page's player to move");
    await page.command("Input.dispatchKeyEvent", { type: "keyUp", ...key });

    // And by a finger.
    await page.evaluate(`(() => {
      const field = document.getElementById("field");
      const { left, top, width } = field.getBoundingClientRect();
      field.setPointerCapture = () => {};
      field.dispatchEvent(new PointerEvent("pointerdown", { clientX: left + width / 2, clientY: top + width / 2 }));
    })()`);
    await page.until(
      `Math.abs(${xOf(you)} - 500) < 60 && Math.abs(${yOf} - 500) < 60`,
      "the way to the finger",
    );
    await page.evaluate(
      `document.getElementById("field").dispatchEvent(new PointerEvent("pointerup"))`,
    );
    await page.until("document.querySelectorAll('#players li').length === 2", "the list");
    await page.until(
      "/\\d ms.*% lost/.test(document.getElementById('players').innerText.replaceAll('\\n', ' '))",
      "round trip and loss",
    );
    const { ENETJS_SCREENSHOT: screenshot } = process.env;
    if (screenshot !== undefined) writeFileSync(screenshot, await page.screenshot(500));

    // It loses its connection, and is the same player afterwards.
    const browser = game.host.peers.find(({ stats }) => stats.mtu === 0)!;
    const before = await state();
    browser.reset();
    await page.until("game.connections === 2 && game.socket !== undefined", "the comeback");
    await until(() => game.host.peers.length === 2, 20_000, "both peers");
    await page.until("game.state.players.every(({ here }) => here)", "everybody to be here");
    assertEquals((await state()).you, before.you);
    assertEquals((await state()).players.length, 2);
    assert(game.host.peers.every(({ id }) => id !== browser.id), "it is another connection");
    assertEquals(page.complaints, []);
  },
);
