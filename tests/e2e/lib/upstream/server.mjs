// The scripted upstream: aimock answers from script.json. Prints {"url"} and ends when its standard input ends, so it
// never outlives the suite that started it.
import { fileURLToPath } from "node:url";

import { LLMock } from "@copilotkit/aimock";

const upstream = new LLMock({ host: "127.0.0.1", port: 0, chunkSize: 7 });
upstream.loadFixtureFile(fileURLToPath(new URL("script.json", import.meta.url)));
await upstream.start();
console.log(JSON.stringify({ url: upstream.url }));

process.stdin.resume();
process.stdin.on("end", async () => {
  await upstream.stop();
  process.exit(0);
});
