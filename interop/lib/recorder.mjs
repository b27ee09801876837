// Wraps `fetch` so that a test can look at what a client sent and what it was answered.

export function recorder() {
  const log = [];
  async function recordingFetch(url, init = {}) {
    const answer = await fetch(url, init);
    log.push({
      method: (init.method ?? 'GET').toUpperCase(),
      url: String(url),
      sent: new Headers(init.headers),
      body: init.body === undefined ? '' : String(init.body),
      status: answer.status,
      received: answer.headers,
    });
    return answer;
  }
  return { log, fetch: recordingFetch, last: (url) => log.findLast((entry) => entry.url === String(url)) };
}
