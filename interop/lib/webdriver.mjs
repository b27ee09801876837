// Drives a headless Chromium by the W3C WebDriver protocol, spoken with `fetch` to chromedriver.

import { spawn } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { eventually } from './report.mjs';

const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';
const START_LIMIT_MS = 20_000;
const PAGE_LIMIT_MS = 10_000;
const DOUBLE_CLICK_MS = 150;

export const Key = { TAB: '\uE004', ENTER: '\uE007' };

const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

function program(...names) {
  for (const name of names) {
    for (const folder of (process.env.PATH ?? '').split(path.delimiter)) {
      const file = path.join(folder, name);
      try {
        accessSync(file, constants.X_OK);
        return file;
      } catch {
        // Not here.
      }
    }
  }
  throw new Error(`${names.join(' or ')} is not installed`);
}

export class Chromium {
  #driver;
  #profile = mkdtempSync(path.join(os.tmpdir(), 'chromium-'));
  #session;

  static async launch() {
    const browser = new Chromium();
    try {
      await browser.#start();
    } catch (error) {
      await browser.quit();
      throw error;
    }
    return browser;
  }

  async #start() {
    const binary = program('chromium', 'chromium-browser', 'google-chrome');
    const driver = spawn(program('chromedriver'), ['--port=0', '--allowed-ips=127.0.0.1'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    this.#driver = driver;
    running.add(driver);
    driver.once('exit', () => running.delete(driver));
    let said = '';
    driver.stdout.setEncoding('utf8').on('data', (text) => (said += text));
    const ready = /started successfully on port (\d+)/;
    const port = await eventually('chromedriver starts', START_LIMIT_MS, () => said.match(ready)?.[1]);

    this.#session = `http://127.0.0.1:${port}/session`;
    const options = {
      binary,
      args: [
        '--headless=new',
        // It runs as root in containers, and visits nothing but the pages under test.
        '--no-sandbox',
        '--disable-dev-shm-usage',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        `--user-data-dir=${this.#profile}`,
      ],
    };
    const { sessionId } = await this.#call('POST', '', { capabilities: { alwaysMatch: { 'goog:chromeOptions': options } } });
    this.#session += `/${sessionId}`;
  }

  async quit() {
    await this.#call('DELETE', '').catch(() => {});
    this.#driver?.kill();
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }

  async #call(method, where, body) {
    const answer = await fetch(`${this.#session}${where}`, {
      method,
      headers: { 'content-type': 'application/json' },
      body: method === 'POST' ? JSON.stringify(body ?? {}) : undefined,
    });
    const { value } = await answer.json();
    if (!answer.ok) throw new Error(`${value.error}: ${value.message.split('\n')[0]}`);
    return value;
  }

  open(url) {
    return this.#call('POST', '/url', { url: String(url) });
  }

  async url() {
    return new URL(await this.#call('GET', '/url'));
  }

  title() {
    return this.#call('GET', '/title');
  }

  async find(selector) {
    return (await this.#call('POST', '/element', { using: 'css selector', value: selector }))[ELEMENT];
  }

  async has(selector) {
    return (await this.#call('POST', '/elements', { using: 'css selector', value: selector })).length > 0;
  }

  async text(selector = 'body') {
    return this.#call('GET', `/element/${await this.find(selector)}/text`);
  }

  async click(selector) {
    return this.#call('POST', `/element/${await this.find(selector)}/click`);
  }

  /** Clicks something that leads to another page, and waits until that page is there. */
  async follow(selector) {
    const before = await this.find('html');
    await this.click(selector);
    await eventually('another page after the click', PAGE_LIMIT_MS, async () => {
      const now = await this.find('html').catch(() => before);
      return now !== before && (await this.run('return document.readyState')) === 'complete';
    });
  }

  /** Replaces the value of a field. */
  async type(selector, text) {
    const element = await this.find(selector);
    await this.#call('POST', `/element/${element}/clear`);
    await this.#call('POST', `/element/${element}/value`, { text });
  }

  async doubleClick(selector) {
    const press = [{ type: 'pointerDown', button: 0 }, { type: 'pointerUp', button: 0 }];
    const move = { type: 'pointerMove', duration: 0, x: 0, y: 0, origin: { [ELEMENT]: await this.find(selector) } };
    const pause = { type: 'pause', duration: DOUBLE_CLICK_MS };
    return this.#actions({ type: 'pointer', id: 'mouse', actions: [move, ...press, pause, ...press] });
  }

  /** Presses keys one after the other, wherever the focus is. */
  async press(keys) {
    const actions = [...keys].flatMap((value) => [{ type: 'keyDown', value }, { type: 'keyUp', value }]);
    return this.#actions({ type: 'key', id: 'keyboard', actions });
  }

  #actions(source) {
    return this.#call('POST', '/actions', { actions: [source] });
  }

  /** Runs a function body in the page; it may return a promise. */
  run(script, ...args) {
    return this.#call('POST', '/execute/sync', { script, args });
  }

  cdp(cmd, params = {}) {
    return this.#call('POST', '/goog/cdp/execute', { cmd, params });
  }

  /** Delays every answer by so many milliseconds; 0 ends that. */
  async slowLine(latency) {
    await this.cdp('Network.enable');
    const unlimited = { downloadThroughput: -1, uploadThroughput: -1 };
    return this.cdp('Network.emulateNetworkConditions', { offline: false, latency, ...unlimited });
  }

  async screenshot() {
    return Buffer.from(await this.#call('GET', '/screenshot'), 'base64');
  }

  /** The whole page, beyond what the window shows. */
  async picture() {
    return Buffer.from((await this.cdp('Page.captureScreenshot', { captureBeyondViewport: true })).data, 'base64');
  }

  tabs() {
    return this.#call('GET', '/window/handles');
  }

  tab() {
    return this.#call('GET', '/window');
  }

  async newTab() {
    return (await this.#call('POST', '/window/new', { type: 'tab' })).handle;
  }

  switchTo(handle) {
    return this.#call('POST', '/window', { handle });
  }

  closeTab() {
    return this.#call('DELETE', '/window');
  }
}
