/**
 * Requests over NATS: each end has one connection to a nats-server, which passes everything on. WHAT is
 * the folder of the npm package `@nats-io/transport-node` and the port of the server: `FOLDER:PORT`.
 */
import { createRequire } from "node:module";
import { HOSTNAME } from "../_common.ts";
import { runEnd } from "./_end.ts";

interface Message {
  data: Uint8Array;
  respond(data: Uint8Array): void;
}

/** As much of the package as is used here. */
interface Connection {
  subscribe(subject: string, options: {
    callback(error: Error | null, message: Message): void;
  }): void;
  request(subject: string, data: Uint8Array): Promise<Message>;
  flush(): Promise<void>;
}

const SUBJECT = "bench.echo";

function connect(what: string): Promise<Connection> {
  const [folder, port] = what.split(":");
  const { connect } = createRequire(import.meta.url)(folder);
  return connect({ servers: `${HOSTNAME}:${port}` });
}

await runEnd({
  async serve(what) {
    const connection = await connect(what);
    connection.subscribe(SUBJECT, {
      callback(error, message) {
        if (error) throw error;
        message.respond(message.data);
      },
    });
    await connection.flush(); // Now the server has the subscription.
    return Number(what.split(":")[1]);
  },
  async connect(what) {
    const connection = await connect(what);
    return (message, onReply) =>
      void connection.request(SUBJECT, message).then(({ data }) => onReply(data.length));
  },
});
