/** The dashboard of `examples/metrics` asks for metrics that there are, and the page lists them. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Gateway } from "../../../lib/gateway/mod.ts";
import { metrics } from "../../../lib/metrics/mod.ts";
import { Host } from "../../../mod.ts";
import { root } from "../../../tools/_run.ts";
import { LOOPBACK } from "../_host.ts";
import { parse } from "./_openmetrics.ts";

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
  readonly targets?: readonly { readonly expr: string }[];
}

const dashboard: { readonly panels: readonly Panel[]; readonly uid: string } = JSON.parse(
  readFileSync(`${root}/examples/metrics/grafana.json`, "utf8"),
);

test("Each expression of the dashboard names metrics and labels that a host or a gateway has", async () => {
  await using host = await Host.listen({ hostname: LOOPBACK });
  await using gateway = await Gateway.listen({ host, hostname: LOOPBACK });
  const samples = parse(metrics([host, gateway])).flatMap(({ name, type, samples }) =>
    samples.map((sample) => ({ ...sample, type, family: name }))
  );
  const asked = new Set<string>();
  for (const { title, targets = [] } of dashboard.panels) {
    for (const { expr } of targets) {
      const names = [...expr.matchAll(/\benet_\w+/g)].map(([name]) => name);
      assert.ok(names.length > 0, `${title}: ${expr}`);
      for (const name of names) {
        const found = samples.filter((sample) => sample.name === name);
        assert.ok(found.length > 0, `${title}: there is no ${name}`);
        for (const { family } of found) asked.add(family);
        const isCounter = found[0].type === "counter";
        assert.equal(/\b(rate|increase)\(/.test(expr), isCounter, `${title}: ${expr}`);
        for (const [, list] of expr.matchAll(/by \(([\w, ]+)\)/g)) {
          for (const label of list.split(", ").filter((label) => label !== "instance")) {
            assert.ok(
              found.some(({ labels }) => label in labels),
              `${title}: ${name} has ${label}`,
            );
          }
        }
      }
    }
  }
  for (const family of ["round_trip_seconds", "queue_bytes", "loss_ratio"]) {
    assert.ok(asked.has(`enet_host_peer_${family}`), family);
  }
});

test("docs/metrics.md lists the metrics of a host", async () => {
  await using host = await Host.listen({ hostname: LOOPBACK });
  const page = readFileSync(`${root}/docs/metrics.md`, "utf8");
  const rows = [...page.matchAll(/^\| `(\w+)` +\| (counter|gauge|histogram) +\|/gm)];
  const families = parse(metrics(host)).map(({ name, type }) => {
    const full = `${name.slice("enet_host_".length)}${type === "counter" ? "_total" : ""}`;
    return [full, type.replace("gaugehistogram", "histogram")];
  });
  assert.deepEqual(rows.map(([, name, type]) => [name, type]), families);
});

test("The panels have ids of their own and do not overlap", () => {
  const { panels } = dashboard;
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, i) => `${x + i % w},${y + Math.floor(i / w)}`)
  );
  assert.equal(new Set(cells).size, cells.length);
});
