// The scripted upstream (aimock) as a process of its own, and what it was scripted to say.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../upstream/", import.meta.url));

/** Starts it, and ends it by closing its standard input. */
export async function upstream(body) {
  const script = JSON.parse(await readFile(`${FOLDER}script.json`, "utf8"));
  const running = spawn(process.execPath, ["server.mjs"], { cwd: FOLDER, stdio: ["pipe", "pipe", "inherit"] });
  try {
    const [line] = await once(createInterface({ input: running.stdout }), "line");
    const { url } = JSON.parse(line);
    await body({
      url,
      model: script.model,
      /** The responses of the fixtures for this user message, in order. */
      scripted: (message) => script.fixtures.filter((one) => one.match.userMessage === message).map((one) => one.response),
      /** Bodies of all chat requests that arrived, oldest first. */
      heard: async () => {
        const journal = await fetch(`${url}/__aimock/journal?path=/v1/chat/completions&limit=1000`);
        return (await journal.json()).map((entry) => entry.body);
      },
    });
  } finally {
    running.stdin.end();
    if (running.exitCode === null) await once(running, "exit");
  }
}
