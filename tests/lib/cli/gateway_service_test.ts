/** The gateway as a service: certificates, access log and metrics. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { connect } from "node:tls";
import { until, withDeadline } from "../../_helpers.ts";
import { skip, temporaryFolder } from "../gateway/_pipes.ts";
import { CERT, KEY } from "../messaging/_certificate.ts";
import { Client, Enet, STEP_MS } from "./_gateway.ts";

/** The name in the certificate of a server. */
async function subjectAt(url: string): Promise<string> {
  const { port } = new URL(url);
  const socket = connect({ host: "127.0.0.1", port: Number(port), rejectUnauthorized: false });
  await withDeadline(once(socket, "secureConnect"), STEP_MS, "TLS");
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return String(subject.CN);
}

test(
  "SIGHUP reads the certificate again; one that is broken leaves the old one in use",
  { skip },
  async (t) => {
    using folder = temporaryFolder();
    const [cert, key] = [`${folder.path}/cert.pem`, `${folder.path}/key.pem`];
    writeFileSync(cert, CERT);
    writeFileSync(key, KEY);
    await using enet = await Enet.gateway("--std", "--ssl-cert", cert, "--ssl-key", key);
    const url = await enet.url();
    assert.match(url, /^wss:\/\//);
    assert.equal(await subjectAt(url), "localhost");
    writeFileSync(cert, "broken");
    enet.signal("SIGHUP");
    await enet.told("enet gateway: the certificate stays as it was");
    assert.equal(await subjectAt(url), "localhost");
    try {
      execFileSync("openssl", [
        ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
        ...["-days", "2", "-subj", "/CN=renewed", "-keyout", key, "-out", cert],
      ], { stdio: "ignore" });
    } catch (error) {
      t.diagnostic?.(`No new certificate without openssl: ${error}`);
      return;
    }
    enet.signal("SIGHUP");
    await enet.told("enet gateway: the certificate has been read again");
    assert.equal(await subjectAt(url), "renewed");
    enet.endInput();
    await enet.ends(0);
  },
);

test("SIGUSR1 opens the access log anew, after it was moved away", { skip }, async () => {
  using folder = temporaryFolder();
  const log = `${folder.path}/access.log`;
  await using enet = await Enet.gateway("--std", "--access-log", log);
  const url = await enet.url();
  const lines = (path: string) => readFileSync(path, "utf8").split("\n").slice(0, -1);
  using one = await Client.open(`${url.replace(/\/$/, "")}/one`);
  await until(() => lines(log).length === 1, STEP_MS, "a line");
  assert.match(
    lines(log)[0],
    /^127\.0\.0\.1 - - \[\d\d\/\w{3}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET \/one HTTP\/1\.1" 101 0 "/,
  );
  renameSync(log, `${log}.1`);
  one.socket.close();
  await until(() => lines(`${log}.1`).length === 2, STEP_MS, "a line in the file that was moved");
  enet.signal("SIGUSR1");
  await until(() => statSync(log, { throwIfNoEntry: false }) !== undefined, STEP_MS, "a new file");
  using two = await Client.open(`${url.replace(/\/$/, "")}/two`);
  void two;
  await until(() => lines(log).length === 1, STEP_MS, "a line in the new file");
  assert.match(lines(log)[0], /"GET \/two HTTP\/1\.1" 101 /);
  enet.endInput();
  await enet.ends(0);
  assert.equal(lines(`${log}.1`).length, 2);
  assert.match(lines(log)[1], /"GET \/two HTTP\/1\.1" 200 /);
});

test("--metrics serves counters for Prometheus", { skip }, async () => {
  await using enet = await Enet.gateway("--std", "--strict", "--metrics", "0");
  const url = await enet.told("metrics at ");
  assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/metrics$/);
  using client = await Client.open(await enet.url());
  client.send("hello");
  await enet.frame();
  await enet.frame();
  enet.writeFrame(99, 1, "nobody");
  enet.writeFrame(1, 1, "you");
  assert.equal(await client.next(), "you");
  const response = await fetch(url);
  assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  const text = await response.text();
  const expected = [
    "clients 1",
    "opened_total 1",
    "received_messages_total 1",
    "received_bytes_total 5",
    "sent_messages_total 1",
    "program_messages_total 2",
    'program_messages_dropped_total{reason="unknown_client"} 1',
    'program_messages_dropped_total{reason="not_text"} 0',
    "program_written_total 2",
    "program_unread_total 0",
  ];
  const lines = text.split("\n");
  for (const line of expected) {
    assert.ok(lines.includes(`enet_gateway_${line}`), `${line}:\n${text}`);
  }
  // Every sample has its HELP and TYPE.
  for (const line of lines.filter((line) => line !== "" && !line.startsWith("#"))) {
    const [name] = line.split(/[ {]/);
    assert.ok(lines.some((other) => other.startsWith(`# HELP ${name} `)), name);
    assert.ok(
      lines.includes(`# TYPE ${name} ${name.endsWith("_total") ? "counter" : "gauge"}`),
      name,
    );
  }
  const other = await fetch(new URL("/", url));
  assert.equal(other.status, 404);
  await other.body?.cancel();
  enet.endInput();
  await enet.ends(0);
});
