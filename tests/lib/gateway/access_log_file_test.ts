import assert from "node:assert/strict";
import { test } from "node:test";
import { AccessLogFile } from "../../../lib/gateway/access_log_file.ts";
import { NamedPipe } from "../../../lib/gateway/pipe/named_pipe.ts";
import { PipeEnd, skip, temporaryFolder } from "./_pipes.ts";

test(
  "A named pipe for a log holds nobody up: without a reader, and while it is full",
  { skip },
  async () => {
    using folder = temporaryFolder();
    using pipe = new NamedPipe(`${folder.path}/log`);
    const told: string[] = [];
    assert.throws(() => new AccessLogFile(pipe.path, (text) => told.push(text)), { code: "ENXIO" });
    using reader = PipeEnd.reader(pipe.path);
    using log = new AccessLogFile(pipe.path, (text) => told.push(text));
    const line = "x".repeat(1023);
    for (let i = 0; i < 100; i++) log.write(line);
    assert.equal(log.dropped, 36, "a pipe has room for 64 KiB");
    assert.equal(told.length, 1);
    assert.match(told[0], /^The access log cannot be written: /);
    assert.equal((await reader.read(65_536)).length, 65_536);
    log.write(line);
    assert.equal(log.dropped, 36);
  },
);
