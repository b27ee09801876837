// Runs cases, prints one line for each, and counts. A story is a sequence in which every step
// builds on the one before: once a step fails, the rest of that story is not reached.

import { appendFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const CASE_LIMIT_MS = 30_000;

export class Report {
  passed = 0;
  failed = 0;
  #failuresFile;

  constructor(failuresFile) {
    this.#failuresFile = failuresFile;
    rmSync(failuresFile, { force: true });
  }

  /** Runs one case; answers whether it passed. */
  async case(name, run) {
    try {
      await withLimit(run, CASE_LIMIT_MS);
    } catch (error) {
      this.notOk(name, error);
      return false;
    }
    this.passed += 1;
    process.stdout.write(`ok ${name}\n`);
    return true;
  }

  /** Runs `[name, function]` pairs in order, up to the first failure; answers whether all passed. */
  async story(name, steps) {
    let brokenBy;
    for (const [step, run] of steps) {
      const full = `${name}: ${step}`;
      if (brokenBy !== undefined) this.notOk(full, new Error(`not reached, because «${brokenBy}» failed`));
      else if (!(await this.case(full, run))) brokenBy = step;
    }
    return brokenBy === undefined;
  }

  notOk(name, error) {
    this.failed += 1;
    process.stdout.write(`not ok ${name}: ${reason(error)}\n`);
    appendFileSync(this.#failuresFile, `${name}\n${error?.stack ?? error}\n\n`);
  }
}

function reason(error) {
  const cause = error?.cause ? ` (${error.cause.message ?? error.cause})` : '';
  return `${error?.message ?? error}${cause}`.replace(/\s+/g, ' ').trim().slice(0, 500);
}

async function withLimit(run, limit) {
  const over = new AbortController();
  const alarm = sleep(limit, undefined, { signal: over.signal }).then(() => {
    throw new Error(`took longer than ${limit / 1000} s`);
  });
  alarm.catch(() => {});
  try {
    return await Promise.race([run(), alarm]);
  } finally {
    over.abort();
  }
}

/** Asks `probe` again and again until it answers something truthy; names `what` when it never does. */
export async function eventually(what, limit, probe) {
  const end = Date.now() + limit;
  for (;;) {
    const answer = await probe();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`${what}: not within ${limit / 1000} s`);
    await sleep(100);
  }
}
