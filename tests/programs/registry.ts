// Runs verdaccio on a free port and prints the port. Arguments: its module, its configuration.
import type { Server } from "node:http";
import process from "node:process";
import { pathToFileURL } from "node:url";

const [module, configuration] = process.argv.slice(2);
const { runServer } = await import(pathToFileURL(module).href);
const server: Server = await runServer(configuration);
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (typeof address === "object") console.log(`port ${address?.port}`);
});
