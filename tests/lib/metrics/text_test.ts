/** Metrics as text: OpenMetrics and the older format, escaping, and what is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Histogram, type MetricFamily } from "../../../lib/metrics/family.ts";
import { acceptedFormat, metricsText } from "../../../lib/metrics/text.ts";
import { parse } from "./_openmetrics.ts";

const NASTY = 'a "b" \\ c\nd\\n';

function example(): MetricFamily[] {
  const trips = new Histogram([0.01, 1]);
  for (const value of [0.01, 0.02, 5]) trips.add(value);
  return [
    {
      name: "enet_sent_bytes",
      type: "counter",
      help: NASTY,
      samples: [{ labels: { peer: NASTY, host: "[::1]:7" }, value: 2 ** 40 }],
    },
    { name: "enet_peers", type: "gauge", help: "Peers", samples: [{ value: 3 }] },
    {
      name: "enet_trip_seconds",
      type: "gaugehistogram",
      help: "Trips",
      samples: [{ labels: { host: "a" }, value: trips }],
    },
    {
      name: "enet_odd_ratio",
      type: "gauge",
      help: "Odd",
      samples: [NaN, Infinity, -Infinity, 1e-7].map((value, index) => ({
        labels: { n: `${index}` },
        value,
      })),
    },
  ];
}

test("OpenMetrics text has HELP, TYPE and UNIT, escapes, and ends", () => {
  const text = metricsText(example());
  const [sent, , trips] = parse(text);
  assert.equal(sent.help, NASTY);
  assert.deepEqual(sent.samples[0].labels, { peer: NASTY, host: "[::1]:7" });
  assert.equal(
    metricsText(example().slice(1, 3)),
    `# HELP enet_peers Peers
# TYPE enet_peers gauge
enet_peers 3
# HELP enet_trip_seconds Trips
# TYPE enet_trip_seconds gaugehistogram
# UNIT enet_trip_seconds seconds
enet_trip_seconds_bucket{host="a",le="0.01"} 1
enet_trip_seconds_bucket{host="a",le="1.0"} 2
enet_trip_seconds_bucket{host="a",le="+Inf"} 3
enet_trip_seconds_gcount{host="a"} 3
enet_trip_seconds_gsum{host="a"} 5.03
# EOF
`,
  );
  assert.equal(trips.unit, "seconds");
  assert.match(text, /^enet_sent_bytes_total\{.*\} 1099511627776$/m);
  assert.match(text, /^enet_odd_ratio\{n="1"\} \+Inf$/m);
});

test("The older format names counters with _total, and has gauges for what falls", () => {
  const text = metricsText(example(), "prometheus");
  assert.match(text, /^# TYPE enet_sent_bytes_total counter$/m);
  assert.match(text, /^# HELP enet_sent_bytes_total a "b" \\\\ c\\nd\\\\n$/m);
  assert.match(text, /^# TYPE enet_trip_seconds histogram$/m);
  assert.match(text, /^# TYPE enet_trip_seconds_gsum gauge$/m);
  assert.doesNotMatch(text, /UNIT|EOF/);
});

test("A name that is none is refused, and so is that of a label", () => {
  const family = (name: string, label: string): MetricFamily => ({
    ...{ name, type: "gauge", help: "" },
    samples: [{ labels: { [label]: "x" }, value: 1 }],
  });
  assert.throws(() => metricsText([family("a b", "c")]), {
    name: "TypeError",
    message: 'The name of a metric must be letters, digits and _, not "a b"',
  });
  assert.throws(() => metricsText([family("a", 'b="1",c')]), /label .* not "b=\\"1\\",c"/);
});

test("Who asks for OpenMetrics gets it, and others the older format", () => {
  const prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3";
  assert.equal(acceptedFormat(prometheus), "openMetrics");
  for (const accept of [undefined, "*/*", "text/html"]) {
    assert.equal(acceptedFormat(accept), "prometheus");
  }
});
