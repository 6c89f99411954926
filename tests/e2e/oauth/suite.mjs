// Sign-in through oauth2-mock-server, an independent provider: discovery, PKCE, key set and ID tokens as others make them.

import assert from "node:assert/strict";

import { OAuth2Server } from "oauth2-mock-server";

import { Checks } from "../lib/node/checks.mjs";
import { embedded, shared } from "../lib/node/hub.mjs";

const ADA = { sub: "ada-1", email: "ada@example.com", email_verified: true, name: "Ada" };
const BOB = { sub: "bob-1", email: "bob@example.com", email_verified: true, name: "Bob" };

/** A browser that keeps cookies and follows nothing by itself. */
class Browser {
  #cookies = new Map();

  constructor(hub) {
    this.hub = hub;
  }

  async go(path, options = {}) {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const answer = await fetch(this.hub.url + path, {
      ...options,
      redirect: "manual",
      headers: { ...options.headers, ...(cookie && { cookie }) },
    });
    for (const line of answer.headers.getSetCookie()) {
      const [pair] = line.split(";");
      const [name, value] = pair.split("=");
      this.#cookies.set(name, value);
    }
    return answer;
  }

  async post(path, body) {
    return this.go(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  }

  /** To the provider, where consent is given at once; path and query of the way back. */
  async consent(path) {
    const there = await this.go(path);
    assert.equal(there.status, 302, await there.text());
    const provider = await fetch(there.headers.get("location"), { redirect: "manual" });
    const back = new URL(provider.headers.get("location"));
    return back.pathname + back.search;
  }

  /** The whole way in; the tokens. */
  async signIn() {
    const done = await this.go(await this.consent("/api/auth/oauth/sora2?returnTo=/chat"));
    assert.equal(done.status, 302, await done.text());
    const to = new URL(done.headers.get("location"));
    assert.equal(to.pathname, "/chat");
    const code = to.hash.slice("#exchange=".length);
    const exchanged = await this.post("/api/auth/oauth/exchange", { code });
    assert.equal(exchanged.status, 200, await exchanged.clone().text());
    return exchanged.json();
  }
}

async function program(hub, step, body) {
  const path = `/api/auth/oauth/session${step}`;
  const headers = { "content-type": "application/json", "user-agent": "set-top box" };
  const answer = await fetch(hub.url + path, { method: "POST", headers, body: JSON.stringify(body) });
  return { status: answer.status, body: await answer.json() };
}

/** The checks on one pair. */
async function suite(checks, pair, hub, provider) {
  const check = (name, body) => checks.case(`${pair}: ${name}`, body);
  const as = (person, change = {}) => Object.assign(provider.person, { claims: { ...person, ...change } });

  await check("the doctor finds the provider and names the redirect URI", async () => {
    const report = await hub.run("doctor");
    const found = report.checks.find((one) => one.check === "sign-in sora2");
    assert.equal(found?.state, "ok", JSON.stringify(found));
    assert.match(found.message, /\/api\/auth\/oauth\/sora2\/callback/);
  });

  await check("somebody new signs in, and comes back to the same account", async () => {
    as(ADA);
    const first = await new Browser(hub).signIn();
    const second = await new Browser(hub).signIn();
    assert.deepEqual([first.user.email, first.user.id], ["ada@example.com", second.user.id]);
    const me = await fetch(`${hub.url}/api/auth/me`, { headers: { authorization: `Bearer ${first.accessToken}` } });
    assert.equal(me.status, 200);
    const ways = await fetch(`${hub.url}/api/auth/identities`, { headers: { authorization: `Bearer ${first.accessToken}` } });
    assert.deepEqual((await ways.json()).identities.map((one) => one.provider), ["sora2"]);
  });

  await check("an answer works once, and in its own browser only", async () => {
    as(ADA);
    const browser = new Browser(hub);
    const back = await browser.consent("/api/auth/oauth/sora2");
    assert.equal((await new Browser(hub).go(back)).status, 400);
    const all = await Promise.all(Array.from({ length: 10 }, () => browser.go(back)));
    assert.deepEqual(all.map((one) => one.status).sort(), [302, ...Array(9).fill(400)]);
  });

  for (const [name, change] of Object.entries({
    nonce: { nonce: "another" },
    audience: { aud: "another" },
    issuer: { iss: "https://another.example" },
    expiry: { exp: 1_700_000_000 },
  })) {
    await check(`an ID token of another ${name} signs nobody in`, async () => {
      as(ADA, change);
      const browser = new Browser(hub);
      const page = await browser.go(await browser.consent("/api/auth/oauth/sora2"));
      assert.deepEqual([page.status, page.headers.get("content-type")], [502, "text/html; charset=utf-8"]);
    });
  }

  await check("a program is signed in by its person's code", async () => {
    as(BOB);
    const { status, body: session } = await program(hub, "", { provider: "sora2" });
    assert.equal(status, 201);
    const { sessionId } = session;
    assert.ok(!session.signInUrl.includes(sessionId));
    assert.equal((await program(hub, "/confirm", { sessionId })).status, 400);
    const address = new URL(session.signInUrl);
    const browser = new Browser(hub);
    const page = await (await browser.go(await browser.consent(address.pathname + address.search))).text();
    const [, verificationCode] = page.match(/<code>([A-Z2-9]{4}-[A-Z2-9]{4})<\/code>/);
    assert.ok(page.includes("set-top box"));
    assert.equal((await program(hub, "/verify", { sessionId, verificationCode: "AAAA-AAAA" })).status, 400);
    assert.deepEqual((await program(hub, "/verify", { sessionId, verificationCode })).body, { verified: true });
    const all = await Promise.all(Array.from({ length: 10 }, () => program(hub, "/confirm", { sessionId })));
    const good = all.filter((one) => one.status === 200);
    assert.equal(good.length, 1);
    assert.equal(good[0].body.user.email, "bob@example.com");
  });
}

const provider = new OAuth2Server();
await provider.issuer.keys.generate("RS256");
await provider.start(0, "127.0.0.1");
provider.person = {};
provider.service.on("beforeTokenSigning", (token) => Object.assign(token.payload, provider.person.claims));

const settings = {
  HUB__SANDBOX__ENABLED: "true",
  HUB__OAUTH: `[{ name = "sora2", client_id = "hub", client_secret = "secret", issuer = "${provider.issuer.url}", email_trusted = true, allow_private_addresses = true }]`,
};
const checks = new Checks();
try {
  for (const on of [embedded, shared]) {
    await on(settings, async (pair, hub) => {
      await hub.start();
      await suite(checks, pair, hub, provider);
      await checks.case(`${pair}: the hub ends cleanly and its ledger is clean`, async () => {
        assert.equal(await hub.stop(), 0);
        assert.equal((await hub.run("ledger", "verify")).clean, true);
      });
    });
  }
} finally {
  await provider.stop();
}
checks.finish();
