/**
 * Unary calls of gRPC on one connection. The service is defined without Protocol Buffers, so that
 * nothing is encoded. WHAT is the folder of the npm package `@grpc/grpc-js`.
 */
import { Buffer } from "node:buffer";
import { createRequire } from "node:module";
import { promisify } from "node:util";
import { HOSTNAME } from "../_common.ts";
import { runEnd } from "./_end.ts";

type Callback = (error: unknown, reply: Buffer) => void;

/** As much of the package as is used here. */
interface Grpc {
  Server: new () => {
    addService(definition: object, methods: object): void;
    bindAsync(
      address: string,
      credentials: unknown,
      callback: (error: Error | null, port: number) => void,
    ): void;
  };
  ServerCredentials: { createInsecure(): unknown };
  credentials: { createInsecure(): unknown };
  makeGenericClientConstructor(definition: object, name: string): new (
    address: string,
    credentials: unknown,
  ) => {
    echo(message: Buffer, callback: Callback): void;
    waitForReady(deadline: number, callback: (error?: Error) => void): void;
  };
}

const load = (folder: string): Grpc => createRequire(import.meta.url)(folder);
const asItIs = (bytes: Buffer) => bytes;
const CONNECT_MS = 10_000;

const SERVICE = {
  echo: {
    path: "/bench.Echo/Echo",
    requestStream: false,
    responseStream: false,
    requestSerialize: asItIs,
    requestDeserialize: asItIs,
    responseSerialize: asItIs,
    responseDeserialize: asItIs,
  },
};

await runEnd({
  async serve(folder) {
    const grpc = load(folder);
    const server = new grpc.Server();
    server.addService(SERVICE, {
      echo: ({ request }: { request: Buffer }, callback: Callback) => callback(null, request),
    });
    const bind = promisify(server.bindAsync.bind(server));
    return await bind(`${HOSTNAME}:0`, grpc.ServerCredentials.createInsecure());
  },
  async connect(folder, port) {
    const grpc = load(folder);
    const Client = grpc.makeGenericClientConstructor(SERVICE, "Echo");
    const client = new Client(`${HOSTNAME}:${port}`, grpc.credentials.createInsecure());
    await promisify(client.waitForReady.bind(client))(Date.now() + CONNECT_MS);
    return (message, onReply) =>
      client.echo(Buffer.from(message), (error, reply) => {
        if (error) throw error;
        onReply(reply.length);
      });
  },
});
