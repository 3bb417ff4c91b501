/**
 * A file server and its client, written for npm's `enet`: only the import differs. The client asks for
 * a file on channel 0, and reads it from channel 1 as a stream.
 *
 *     deno run --allow-ffi examples/compat.ts
 *     bun examples/compat.ts
 *     node examples/compat.ts
 */
import { Readable } from "node:stream";
import * as enet from "@enetjs/enet/compat";

const files: Record<string, string> = { "poem.txt": "Roses are red,\n".repeat(10_000) };

enet.init((address) => address === "192.168.0.22" ? 0 : 1);

enet.createServer({
  address: { address: "127.0.0.1", port: 0 },
  peers: 32,
  channels: 2,
}, (error, server) => {
  if (error || !server) throw error;
  server.on("connect", (peer, data) => {
    console.log("client", data, "has connected");
    peer.on("message", (packet, channel) => {
      if (channel !== 0) return;
      const file = Readable.from([files[String(packet.data())] ?? ""]);
      file.pipe(peer.createWriteStream(1));
      file.on("end", () => peer.disconnectLater(200));
    });
    peer.on("disconnect", () => server.destroy());
  });
  server.on("destroy", () => console.log("the server is gone"));
  server.start(50);
  visit(server.address()!);
});

function visit(address: enet.AddressInfo) {
  enet.createClient((error, client) => {
    if (error || !client) throw error;
    const peer = client.connect(address, 2, 1337, (error) => {
      if (error || !peer) throw error;
      peer.send(0, "poem.txt", (error) => console.log(error ?? "the request has arrived"));
      let length = 0;
      peer.createReadStream(1)
        .on("data", (bytes) => length += bytes.length)
        .on("end", () => console.log("received", length, "bytes"));
    });
    peer?.on("disconnect", (data) => {
      console.log("the server says", data);
      client.destroy();
    });
  });
}
