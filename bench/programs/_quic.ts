/**
 * QUIC by Deno, with what a program would use of it: a stream for bulk, another one for requests and their answers,
 * and datagrams for state.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { type Bytes, type Carrier, CHANNEL, type OnMessage } from "./_carrier.ts";
import { frame, readerOfFrames } from "./_frames.ts";

const PROTOCOL = "wan";

/** The name in the certificate. */
const SERVER_NAME = "localhost";

interface Stream {
  readonly readable: ReadableStream<Bytes>;
  readonly writable: WritableStream<Bytes>;
}

interface Connection {
  readonly incomingUnidirectionalStreams: ReadableStream<ReadableStream<Bytes>>;
  readonly incomingBidirectionalStreams: ReadableStream<Stream>;
  createUnidirectionalStream(): Promise<WritableStream<Bytes>>;
  createBidirectionalStream(): Promise<Stream>;
  sendDatagram(bytes: Bytes): Promise<void>;
  readDatagram(): Promise<Bytes>;
}

interface Endpoint {
  readonly addr: { readonly port: number };
  listen(options: object): AsyncIterable<{ accept(): Promise<Connection> }>;
}

/** As much of Deno's unstable API as is used here. */
interface WithQuic {
  QuicEndpoint: new (options: { hostname: string }) => Endpoint;
  connectQuic(options: object): Promise<Connection>;
}

const withQuic = () => (globalThis as unknown as { Deno: WithQuic }).Deno;

/** Gives each message of a stream to a function, until it ends. */
async function read(
  stream: ReadableStream<Bytes>,
  onMessage: (channel: number, bytes: Uint8Array) => void,
): Promise<void> {
  const take = readerOfFrames(onMessage);
  for await (const chunk of stream) take(chunk);
}

async function serve(connection: Connection, onMessage: OnMessage): Promise<void> {
  const noReply = () => {};
  const bulk = async () => {
    for await (const stream of connection.incomingUnidirectionalStreams) {
      await read(stream, (channel, bytes) => onMessage(channel, bytes, noReply));
    }
  };
  const requests = async () => {
    for await (const { readable, writable } of connection.incomingBidirectionalStreams) {
      const writer = writable.getWriter();
      await read(
        readable,
        (channel, bytes) =>
          onMessage(channel, bytes, (bytes) => void writer.write(frame(channel, bytes))),
      );
    }
  };
  const states = async () => {
    for (;;) onMessage(CHANNEL.STATE, await connection.readDatagram(), noReply);
  };
  await Promise.all([bulk(), requests(), states()]);
}

/** @param file a key and a certificate in PEM, one after the other */
export const quic = (file: string): Carrier => ({
  listen(hostname, onMessage) {
    const pem = readFileSync(file, "utf8");
    const endpoint = new (withQuic().QuicEndpoint)({ hostname });
    const listener = endpoint.listen({ key: pem, cert: pem, alpnProtocols: [PROTOCOL] });
    (async () => {
      for await (const incoming of listener) {
        serve(await incoming.accept(), onMessage).catch(() => {}); // The sender just ends.
      }
    })();
    return Promise.resolve(endpoint.addr.port);
  },
  async open(hostname, port, onAnswer) {
    const { QuicEndpoint, connectQuic } = withQuic();
    const connection = await connectQuic({
      ...{ hostname, port, serverName: SERVER_NAME, alpnProtocols: [PROTOCOL] },
      endpoint: new QuicEndpoint({ hostname: "0.0.0.0" }),
      caCerts: [readFileSync(file, "utf8")],
    });
    const bulk = (await connection.createUnidirectionalStream()).getWriter();
    const stream = await connection.createBidirectionalStream();
    const requests = stream.writable.getWriter();
    void read(stream.readable, (_channel, bytes) => onAnswer(bytes));
    return {
      send(channel, bytes) {
        if (channel === CHANNEL.STATE) void connection.sendDatagram(bytes);
        else void requests.write(frame(channel, bytes));
      },
      pour: (bytes) => bulk.write(frame(CHANNEL.BULK, bytes)),
    };
  },
});
