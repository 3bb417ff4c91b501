/** Requests of messaging. WHAT is `udp` or `tcp`. */
import { Messenger } from "../../../lib/messaging/mod.ts";
import { HOSTNAME } from "../_common.ts";
import { runEnd } from "./_end.ts";

await runEnd({
  async serve(protocol) {
    const listener = await Messenger.listen(`${protocol}://${HOSTNAME}:0`, {}, {
      request: (request) => void request.reply(request.data),
    });
    return listener.address.port;
  },
  async connect(protocol, port) {
    const connection = await Messenger.connect(`${protocol}://${HOSTNAME}:${port}`);
    return (message, onReply) =>
      void connection.get(message).then((reply) => {
        onReply(reply.length);
        reply.dispose();
      });
  },
});
