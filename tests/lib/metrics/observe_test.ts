/** Metrics through OpenTelemetry: the instruments, the registered provider, and Deno's own exporter. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import * as api from "@opentelemetry/api";
import {
  type MetricFamily,
  observeMetrics,
  type OpenTelemetryMeter,
} from "../../../lib/metrics/mod.ts";
import { Host } from "../../../mod.ts";
import { currentRuntime, spawnRuntime, withDeadline } from "../../_helpers.ts";
import { LOOPBACK } from "../_host.ts";

interface Instrument {
  readonly name: string;
  readonly kind: "gauge" | "counter";
  readonly unit: string;
}

/** A number that was observed. */
type Observed = readonly [
  name: string,
  value: number,
  attributes: Readonly<Record<string, string>>,
];

/** A meter that keeps what it is told. */
class Meter implements OpenTelemetryMeter {
  readonly instruments: Instrument[] = [];
  #callbacks: { callback: (result: unknown) => void; instruments: unknown[] }[] = [];

  createObservableGauge(name: string, options?: { unit?: string }): object {
    return this.#create(name, "gauge", options?.unit);
  }

  createObservableCounter(name: string, options?: { unit?: string }): object {
    return this.#create(name, "counter", options?.unit);
  }

  #create(name: string, kind: Instrument["kind"], unit = ""): Instrument {
    const made = { name, kind, unit };
    this.instruments.push(made);
    return made;
  }

  addBatchObservableCallback(callback: (result: unknown) => void, instruments: unknown[]): void {
    this.#callbacks.push({ callback, instruments });
  }

  removeBatchObservableCallback(callback: (result: unknown) => void, instruments: unknown[]): void {
    this.#callbacks = this.#callbacks.filter((one) =>
      one.callback !== callback || one.instruments !== instruments
    );
  }

  get callbacks(): number {
    return this.#callbacks.length;
  }

  /** What an exporter would get. */
  collect(): Observed[] {
    const observed: Observed[] = [];
    for (const { callback, instruments } of this.#callbacks) {
      callback({
        observe(instrument: Instrument, value: number, attributes: Record<string, string>) {
          assert.ok(instruments.includes(instrument), `${instrument.name} belongs to the callback`);
          observed.push([instrument.name, value, attributes]);
        },
      });
    }
    return observed;
  }
}

test("Each family is an instrument, of which an export asks once", async () => {
  const meter = new Meter();
  await using host = await Host.listen({ hostname: LOOPBACK, peers: 7 });
  const observer = await observeMetrics(host, { meter });
  const of = (name: string) => meter.instruments.filter((one) => one.name === name);
  assert.deepEqual(of("enet.host.received"), [
    { name: "enet.host.received", kind: "counter", unit: "By" },
  ]);
  assert.deepEqual(of("enet.host.peers_maximum")[0]?.kind, "gauge");
  const name = `${LOOPBACK}:${host.address.port}`;
  const observed = meter.collect();
  const values = (wanted: string) => observed.filter(([name]) => name === wanted);
  assert.deepEqual(values("enet.host.peers_maximum"), [["enet.host.peers_maximum", 7, {
    host: name,
  }]]);
  const classes = values("enet.host.peer_queue_bytes.bucket");
  assert.deepEqual(classes[0].slice(1), [0, { host: name, le: "0.0" }]);
  assert.deepEqual(classes.at(-1)![2].le, "+Inf");
  assert.equal(new Set(meter.instruments.map(({ name }) => name)).size, meter.instruments.length);
  observer[Symbol.dispose]();
  observer[Symbol.dispose]();
  assert.equal(meter.callbacks, 0);
});

test("A family that comes later is observed from the next export on", async () => {
  const meter = new Meter();
  const families: MetricFamily[] = [];
  using _observer = await observeMetrics(() => families, { meter });
  families.push({ name: "enet_rooms", type: "gauge", help: "Rooms", samples: [{ value: 2 }] });
  meter.collect();
  assert.deepEqual(meter.collect(), [["enet_rooms", 2, {}]]);
  assert.equal(meter.callbacks, 1);
});

test("Without a meter, the provider that is registered gets the instruments", async () => {
  const meter = new Meter();
  // Types only: the meters of the package are meters here.
  const _meter: OpenTelemetryMeter = api.createNoopMeter();
  const provider = { getMeter: () => meter } as unknown as api.MeterProvider;
  // On Deno with OTEL_DENO the runtime has registered one.
  api.metrics.disable();
  api.metrics.setGlobalMeterProvider(provider);
  try {
    using _observer = await observeMetrics(() => [
      { name: "enet_x_trip_seconds", type: "gauge", help: "", samples: [{ value: 0.5 }] },
    ]);
    assert.deepEqual(meter.instruments, [{ name: "enet.x.trip", kind: "gauge", unit: "s" }]);
    assert.deepEqual(meter.collect(), [["enet.x.trip", 0.5, {}]]);
  } finally {
    api.metrics.disable();
  }
  await assert.rejects(observeMetrics([], { meter: {} as Meter }), {
    name: "TypeError",
    message: /^meter must be a Meter of OpenTelemetry, not /,
  });
});

test("Deno exports them by itself", { skip: currentRuntime() !== "deno" }, async () => {
  const got = Promise.withResolvers<string>();
  const collector = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) body += chunk;
    if (body.includes("enet.host.received")) got.resolve(body);
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  });
  collector.listen(0, LOOPBACK);
  await once(collector, "listening");
  const { port } = collector.address() as AddressInfo;
  const env = {
    OTEL_DENO: "true",
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://${LOOPBACK}:${port}`,
    OTEL_METRIC_EXPORT_INTERVAL: "100",
  };
  try {
    await using _program = spawnRuntime("deno", "observed.ts", [], { env });
    const body = await withDeadline(got.promise, 60_000, "an export");
    const names = JSON.stringify(JSON.parse(body));
    assert.match(names, /"name":"enet\.host\.peers_maximum"/);
    assert.match(names, /"unit":"By"/);
  } finally {
    collector.close();
    collector.closeAllConnections();
  }
});
