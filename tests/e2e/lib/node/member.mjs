// An account made by the operator's command line, and the money arithmetic a stranger would do with its receipts.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const MICRO = 1_000_000n;
const CLASSES = ["input", "cacheRead", "cacheWrite", "output", "reasoning"];

/** A user with an API key. */
export class Member {
  static async make(hub, credits) {
    const member = new Member();
    const email = `member-${randomBytes(5).toString("hex")}@example.com`;
    const password = `Hx-${randomBytes(8).toString("hex")}-qZ!`;
    await hub.run("admin", "create-user", "--email", email, "--password", password, "--role", "user");
    member.key = (await hub.run("admin", "create-key", "--email", email, "--name", "e2e")).key;
    if (credits) {
      await hub.run("admin", "grant-credits", "--email", email, "--amount", String(credits), "--reason", "e2e");
    }
    return member;
  }

  async get(hub, address) {
    const answer = await fetch(hub.url + address, { headers: { authorization: `Bearer ${this.key}` } });
    const text = await answer.text();
    assert.equal(answer.status, 200, `GET ${address}: ${text}`);
    return JSON.parse(text);
  }

  /** `{balance, held}` in micro-credits. */
  async balance(hub) {
    const view = await this.get(hub, "/api/credits/balance");
    return { balance: micro(view.balance), held: micro(view.held) };
  }

  /** Waits until nothing is held; the balance in micro-credits. */
  async settled(hub, within = 20_000) {
    const deadline = Date.now() + within;
    for (;;) {
      const { balance, held } = await this.balance(hub);
      if (held === 0n) return balance;
      assert.ok(Date.now() < deadline, `${held} micro-credits are still held`);
      await sleep(100);
    }
  }

  /** A receipt, checked: it computes again from its own prices and usage. */
  async receipt(hub, id) {
    const receipt = await this.get(hub, `/api/credits/receipts/${id}`);
    const { unitPrices: prices, usage } = receipt;
    assert.ok(!("longContext" in prices), "the suites use models without a price for long prompts");
    const exact = CLASSES.reduce((sum, kind) => sum + BigInt(usage[kind]) * BigInt(prices[kind]), BigInt(prices.request) * MICRO);
    assert.equal(BigInt(receipt.exactCost), exact, "exact cost");
    assert.equal(micro(receipt.amount), (exact + MICRO - 1n) / MICRO, "amount, rounded up once");
    return receipt;
  }

  async usage(hub) {
    const { transactions, hasMore } = await this.get(hub, "/api/credits/transactions?kind=usage&limit=100");
    assert.equal(hasMore, false);
    return transactions;
  }
}

/** Credits as in JSON to whole micro-credits. */
export function micro(credits) {
  const value = Math.round(credits * 1e6);
  assert.ok(Math.abs(value / 1e6 - credits) < 1e-12 && Number.isSafeInteger(value), `${credits} has fractions of a micro-credit`);
  return BigInt(value);
}
