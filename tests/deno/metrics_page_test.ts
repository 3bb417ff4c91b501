/**
 * The page of a metrics server in a real browser: what it shows, in light and dark, and what it may change. With
 * ENETJS_SCREENSHOT, the picture of `docs/metrics.md` is written there.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { writeFileSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import {
  type MetricFamily,
  serveMetrics,
  type ServeMetricsOptions,
} from "../../lib/metrics/mod.ts";
import { Host, LinkQuality } from "../../mod.ts";
import { print } from "../../tools/_run.ts";
import { chromium } from "../../tools/chromium.ts";
import { until } from "../_helpers.ts";
import { openPage, type Page } from "./_chromium.ts";

const LOOPBACK = "127.0.0.1";
const PEERS = 8;
const TOKEN = "0123456789abcdef";
const MARKUP = "<img src=x onerror=alert(1)>";

const isAbsent = chromium() === undefined;

if (isAbsent) {
  print("NOT TESTED: there is no Chromium here. `deno task setup` installs it on Debian\n");
}

/** Markup in what another source tells. */
const hostile = (): MetricFamily[] => [
  { name: "game_rooms", type: "gauge", help: "", samples: [{ labels: { map: MARKUP }, value: 2 }] },
];

/** A host with peers over a simulated network, and its page. */
async function open(stack: AsyncDisposableStack, options: ServeMetricsOptions) {
  const host = stack.use(
    await Host.listen({ hostname: LOOPBACK, conditions: LinkQuality.GOOD }, {
      receive: (peer, channelId, packet) => void peer.send(channelId, packet),
    }),
  );
  for (let i = 0; i < PEERS; i++) {
    const client = stack.use(
      await Host.create({ peers: 1 }, {
        receive: (peer, channelId, packet) => void peer.send(channelId, packet),
      }),
    );
    const peer = await client.connect(host.address);
    peer.send(0, new Uint8Array(50 * 2 ** i));
  }
  await until(() => host.peers.length === PEERS, 20_000, "the peers");
  const server = stack.use(await serveMetrics([host, hostile], options));
  return { host, server };
}

const value = (page: Page, name: string) =>
  page.evaluate<string>(
    `[...document.querySelectorAll(".tile")].find((tile) => tile.firstChild.textContent === "${name}")
      .querySelector(".value").textContent`,
  );

/** Brightness of a color that the page computes, 0 to 255. */
const ground = (page: Page) =>
  page.evaluate<number>(
    `getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0) / 3`,
  );

const emulate = (page: Page, scheme: string) =>
  page.command("Emulation.setEmulatedMedia", {
    features: [{ name: "prefers-color-scheme", value: scheme }],
  });

test(
  "The page asks for the token, shows peers, fits a phone in light and dark, and disconnects a peer",
  { skip: isAbsent },
  async () => {
    await using stack = new AsyncDisposableStack();
    const { server } = await open(stack, { token: TOKEN });
    const page = stack.use(await openPage(server.url));
    await page.until(
      "document.getElementById('login')?.hidden === false",
      "the question for the token",
    );
    await page.evaluate(`document.getElementById("token").value = "wrong";
      document.getElementById("login").requestSubmit()`);
    await page.until(
      "document.getElementById('state').textContent.includes('not the token')",
      "the refusal",
    );
    await page.evaluate(`document.getElementById("token").value = "${TOKEN}";
      document.getElementById("login").requestSubmit()`);
    await page.until(`document.querySelectorAll("tr[data-peer]").length === ${PEERS}`, "the peers");
    assertEquals(await value(page, "Peers"), `${PEERS}`);
    await page.until("document.querySelectorAll('.tile.in path').length === 2", "a chart");
    assert((await value(page, "Received")).endsWith("B/s"), "the rate");

    // What others tell is text.
    await page.until("!document.getElementById('others').hidden", "the other source");
    const others = `document.getElementById("others")`;
    assert((await page.evaluate<string>(`${others}.textContent`)).includes(`map=${MARKUP}`));
    assertEquals(await page.evaluate(`${others}.querySelectorAll("img").length`), 0);
    assertEquals(await page.evaluate(`document.querySelectorAll("td button").length`), 0);

    // The order and the filter are the server's.
    await page.evaluate(`const sort = document.getElementById("sort"); sort.value = "queue";
      sort.dispatchEvent(new Event("change")); undefined`);
    await page.until(
      `document.querySelector("th[aria-sort]")?.textContent === "Queued"`,
      "the order",
    );
    await page.evaluate(
      `const filter = document.getElementById("filter"); filter.value = "203.0.113.";
      filter.dispatchEvent(new Event("input")); undefined`,
    );
    await page.until(
      `document.querySelector(".note")?.textContent === "No peer matches"`,
      "the filter",
    );
    await page.evaluate(`filter.value = ""; filter.dispatchEvent(new Event("input")); undefined`);
    await page.until(`document.querySelectorAll("tr[data-peer]").length === ${PEERS}`, "the peers");

    // Nothing is wider than the phone; the colors follow what it asks for.
    assert(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it fits");
    await emulate(page, "dark");
    assert(await ground(page) < 60, "dark");
    await emulate(page, "light");
    assert(await ground(page) > 200, "light");
    const { ENETJS_SCREENSHOT: screenshot } = process.env;
    if (screenshot !== undefined) {
      await page.until(
        "document.querySelector('.tile.in path').getAttribute('d').split('L').length > 20",
        "history",
      );
      writeFileSync(screenshot, await page.screenshot(760));
    }
    await disconnectsAPeer(page, stack);
    assertEquals(page.complaints, []);
  },
);

/** The page of another server, which allows it. */
async function disconnectsAPeer(page: Page, stack: AsyncDisposableStack): Promise<void> {
  const { host, server } = await open(stack, { allowKick: true });
  await page.command("Page.navigate", { url: `${server.url}#token=${TOKEN}` });
  await page.until(`document.querySelectorAll("td button").length === ${PEERS}`, "the buttons");
  assertEquals(await page.evaluate("location.hash"), "", "the token is not left in the address");
  const { id } = host.peers[3];
  await page.evaluate(`confirm = () => true;
    document.querySelector('tr[data-peer="${id}"] button').click(); undefined`);
  await until(() => host.peers.every((peer) => peer.id !== id), 20_000, "the end of the peer");
  const rows = `document.querySelectorAll("tr[data-peer]").length`;
  await page.until(`${rows} === ${PEERS - 1}`, "the row to go");
}
