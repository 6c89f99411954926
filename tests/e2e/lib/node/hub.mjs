// The real binary as a process, on a pair of engines.

import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

import pg from "pg";

const START_WITHIN = 60_000;
const STOP_WITHIN = 20_000;
const COMMAND_WITHIN = 60_000;

// The limits of the product are tested elsewhere. Hashing a password is made cheap: it is not what the suites are about.
const SETTINGS = {
  HUB__LOG__FORMAT: "json",
  HUB__LIMITS__GUEST_PER_MINUTE: "0",
  HUB__LIMITS__USER_PER_MINUTE: "1000000",
  HUB__IDENTITY__PASSWORDS__MEMORY_KIB: "64",
  HUB__IDENTITY__PASSWORDS__PASSES: "1",
};

// A suite that is asked to end takes its hubs along.
const running = new Set();
for (const [signal, number] of [["SIGTERM", 15], ["SIGINT", 2]]) {
  process.on(signal, () => {
    for (const child of running) child.kill("SIGKILL");
    process.exit(128 + number);
  });
}

/** One `hub serve` process with its data directory. */
export class Hub {
  url;
  #folder;
  #environment;
  #process;

  constructor(folder, environment) {
    this.#folder = folder;
    // Nothing of the developer's own environment, where a real credential may stand.
    const { PATH, HOME } = process.env;
    this.#environment = { PATH, HOME, ...environment };
  }

  /** Its data directory; mails of the embedded pair are in its `outbox`. */
  get data() {
    return path.join(this.#folder, "hub");
  }

  get #log() {
    return path.join(this.#folder, "hub.log");
  }

  /** Starts the process and waits until it says where it listens. */
  async start() {
    const log = await open(this.#log, "a");
    const serve = ["serve", "--data-dir", this.data, "--listen", "127.0.0.1:0"];
    this.#process = spawn(process.env.HUB_BIN, serve, { env: this.#environment, stdio: ["ignore", "ignore", log.fd] });
    running.add(this.#process);
    await log.close();
    const deadline = Date.now() + START_WITHIN;
    while (Date.now() < deadline && this.#process.exitCode === null) {
      const started = (await this.#lines()).find((line) => line.message === "started");
      if (started) {
        this.url = started.address;
        return this;
      }
      await sleep(20);
    }
    await this.kill();
    throw new Error(`the hub did not start:\n${await readFile(this.#log, "utf8")}`);
  }

  /** Asks the process to end; its exit code. */
  async stop() {
    return this.#end("SIGTERM");
  }

  async kill() {
    return this.#end("SIGKILL");
  }

  /** `hub … --json`: the value it prints. */
  async run(...command) {
    const options = { env: this.#environment, timeout: COMMAND_WITHIN };
    const { stdout } = await promisify(execFile)(process.env.HUB_BIN, [...command, "--json", "--data-dir", this.data], options);
    return JSON.parse(stdout);
  }

  async #end(signal) {
    const child = this.#process;
    this.#process = undefined;
    if (!child) return undefined;
    running.delete(child);
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_WITHIN);
    const code = await ended;
    clearTimeout(timer);
    return code;
  }

  async #lines() {
    const text = await readFile(this.#log, "utf8");
    return text
      .split("\n")
      .filter((line) => line.startsWith("{") && line.endsWith("}"))
      .map((line) => JSON.parse(line));
  }
}

/** SQLite and memory in a temporary data directory. */
export async function embedded(settings, body) {
  const folder = await mkdtemp(path.join(tmpdir(), "hub-e2e-"));
  await using("embedded", folder, { ...SETTINGS, ...settings }, body);
}

/** A new PostgreSQL database, dropped afterwards, and a Redis prefix of its own. */
export async function shared(settings, body) {
  const mark = randomBytes(6).toString("hex");
  const database = `hub_e2e_${mark}`;
  const url = new URL(process.env.HUB_TEST_POSTGRES_URL);
  const server = new pg.Client({ connectionString: url.href });
  await server.connect();
  try {
    await server.query(`CREATE DATABASE ${database}`);
    url.pathname = `/${database}`;
    const environment = {
      DATABASE_URL: url.href,
      REDIS_URL: process.env.HUB_TEST_REDIS_URL,
      JWT_SECRET: randomBytes(32).toString("hex"),
      HUB__CACHE__PREFIX: `e2e-${mark}`,
    };
    const folder = await mkdtemp(path.join(tmpdir(), "hub-e2e-"));
    await using("shared", folder, { ...SETTINGS, ...environment, ...settings }, body);
  } finally {
    await server.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
    await server.end();
  }
}

async function using(name, folder, environment, body) {
  const hub = new Hub(folder, environment);
  try {
    await body(name, hub);
  } finally {
    await hub.kill();
    await rm(folder, { recursive: true, force: true });
  }
}
