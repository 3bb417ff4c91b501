import assert from "node:assert/strict";
import { Messenger } from "../../../lib/messaging/mod.ts";
import { describeEnd, logging, onBoth, urlOf } from "./_messaging.ts";

onBoth("a server and a client in a golden cycle", async (protocol, log) => {
  const listener = await Messenger.listen(`${protocol}://127.0.0.1:0`, {}, {
    ...logging(log, "server"),
    request(request) {
      log.add("server", `request ${request.data.text()}`);
      return `re: ${request.data.text()}`;
    },
  });
  assert.equal(listener.address.protocol, protocol);
  assert.ok(listener.address.port > 0);
  const client = await Messenger.connect(urlOf(listener), {}, logging(log, "client"));
  client.send("one");
  const reply = await client.get("two");
  log.add("client", `reply ${reply.text()}`);
  listener.connections[0].send("three");
  await log.seen("client", "message three");
  log.add("client", `close ${describeEnd(await client.close())}`);
  await log.seen("server", "closed");
  await listener.close();
}, {
  server: ["ready", "message one", "request two", "closed remote"],
  client: ["ready", "reply re: two", "message three", "closed local", "close local"],
});
