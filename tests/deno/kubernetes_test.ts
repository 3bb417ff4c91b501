/** The manifest of the example is sound: its parts fit together, and nats-server takes its configuration. */
import { assert, assertEquals } from "@std/assert";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { parseAllDocuments } from "yaml";
import { natsServer } from "../../tools/others.ts";
import { root, run } from "../../tools/_run.ts";

// deno-lint-ignore no-explicit-any -- a manifest has whatever Kubernetes takes
type Manifest = any;

const text = readFileSync(`${root}/examples/rooms/kubernetes.yaml`, "utf8");
const documents = parseAllDocuments(text);
const manifests: Manifest[] = documents.map((document) => document.toJS());
const one = (kind: string): Manifest => {
  const found = manifests.filter((manifest) => manifest.kind === kind);
  assertEquals(found.length, 1, kind);
  return found[0];
};
const [statefulSet, service, fleet] = ["StatefulSet", "Service", "Fleet"].map(one);
const natsPod = statefulSet.spec.template;
const gamePod = fleet.spec.template.spec.template;

test("The manifest is YAML without errors, and every part has a kind, a version and a name", () => {
  assertEquals(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings]), []);
  const versions: Record<string, string> = {
    ConfigMap: "v1",
    Service: "v1",
    PodDisruptionBudget: "policy/v1",
    NetworkPolicy: "networking.k8s.io/v1",
    StatefulSet: "apps/v1",
    Fleet: "agones.dev/v1",
    FleetAutoscaler: "autoscaling.agones.dev/v1",
  };
  for (const { kind, apiVersion, metadata } of manifests) {
    assertEquals(apiVersion, versions[kind], kind);
    assert(/^[a-z][a-z0-9-]*$/.test(metadata.name), metadata.name);
  }
  assertEquals(manifests.length, Object.keys(versions).length);
});

test("Selectors select the pods that they are for", () => {
  const labels = natsPod.metadata.labels;
  assertEquals(statefulSet.spec.selector.matchLabels, labels);
  assertEquals(service.spec.selector, labels);
  assertEquals(one("PodDisruptionBudget").spec.selector.matchLabels, labels);
  const policy = one("NetworkPolicy").spec;
  assertEquals(policy.podSelector.matchLabels, labels);
  const from = policy.ingress.map((rule: Manifest) => rule.from[0].podSelector.matchLabels);
  assertEquals(from, [gamePod.metadata.labels, labels]);
  assertEquals(one("FleetAutoscaler").spec.fleetName, fleet.metadata.name);
  assertEquals(statefulSet.spec.serviceName, service.metadata.name);
});

test("Game servers name each server of NATS, and have a UDP port", () => {
  const [game] = gamePod.spec.containers;
  const servers = game.env.find(({ name }: Manifest) => name === "NATS_SERVERS").value.split(",");
  const { replicas } = statefulSet.spec;
  const names = Array.from(
    { length: replicas },
    (_, i) => `nats-${i}.${service.metadata.name}:4222`,
  );
  assertEquals(servers, names);
  const config = one("ConfigMap").data["nats.conf"];
  for (let i = 0; i < replicas; i++) assert(config.includes(`@nats-${i}.nats:6222`), `route ${i}`);
  const [port] = fleet.spec.template.spec.ports;
  assertEquals([port.protocol, port.portPolicy], ["UDP", "Dynamic"]);
  const secrets = [...game.env, ...natsPod.spec.containers[0].env]
    .flatMap(({ valueFrom }: Manifest) => valueFrom?.secretKeyRef ?? []);
  assertEquals(secrets, [{ name: "nats", key: "token" }, { name: "nats", key: "token" }]);
});

test("Containers, services and rules agree on the ports", () => {
  const ports = (list: Manifest[], key: string) =>
    Object.fromEntries(list.map((port) => [port.name, port[key]]));
  const { client, cluster, monitor } = ports(service.spec.ports, "port");
  assertEquals(ports(natsPod.spec.containers[0].ports, "containerPort"), {
    client,
    cluster,
    monitor,
  });
  const allowed = one("NetworkPolicy").spec.ingress.map((rule: Manifest) => rule.ports[0].port);
  assertEquals(allowed, [client, cluster]);
  const volumes = natsPod.spec.volumes.map(({ name }: Manifest) => name);
  const claims = statefulSet.spec.volumeClaimTemplates.map((claim: Manifest) =>
    claim.metadata.name
  );
  for (const { name } of natsPod.spec.containers[0].volumeMounts) {
    assert([...volumes, ...claims].includes(name), name);
  }
});

test("nats-server takes the configuration", { skip: natsServer() === undefined }, async () => {
  const folder = mkdtempSync(`${tmpdir()}/enetjs-kubernetes-`);
  try {
    const file = `${folder}/nats.conf`;
    writeFileSync(file, one("ConfigMap").data["nats.conf"]);
    const env = ["env", "POD_NAME=nats-0", "NATS_TOKEN=secret"];
    const { ok, output } = await run([...env, natsServer()!, "--config", file, "-t"]);
    assert(ok, output);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
