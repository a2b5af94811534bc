// A bare broadcast with Node and `ws`, to compare with: node bare_ws.mjs FOLDER BEFORE AFTER
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [folder, before, after] = process.argv.slice(2);
const { WebSocketServer } = createRequire(`${folder}/`)("ws");
const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false, backlog: 1024 });
const now = () => Number(process.hrtime.bigint()) / 1e9;
const tick = () => new Promise((done) => setTimeout(done, 5));
const turn = () => new Promise((done) => setImmediate(done));

function broadcast(n) {
  const frame = Buffer.from(before + String(n).padStart(12, "0") + after);
  const time = now();
  for (const client of server.clients) client.send(frame, { binary: false });
  return time;
}

async function run({ first, count, rate, step }) {
  const times = [];
  const start = now();
  while (times.length < count) {
    const due = rate ? Math.min(count, Math.floor((now() - start) * rate) + 1) : Math.min(count, times.length + step);
    while (times.length < due) times.push(broadcast(first + times.length));
    await (rate ? tick() : turn());
  }
  return times;
}

server.on("listening", () => console.log(server.address().port));
createInterface({ input: process.stdin }).on("line", async (line) => console.log(JSON.stringify(await run(JSON.parse(line)))));
