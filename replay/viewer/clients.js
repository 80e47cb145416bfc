// What each client asked of the latest task: its polls, its cursor, and what was lost to it.

const MOST_POLLS = 4000;

export class Clients {
  constructor() {
    this.forget();
  }

  forget() {
    this.requests = [];
    this.byName = new Map();
    this.taskId = null;
  }

  add(requests) {
    this.requests.push(...requests);
    if (this.requests.length > 2 * MOST_POLLS) this.requests.splice(0, MOST_POLLS);
    for (const request of requests) this.read(request);
  }

  // Begin anew with the task that is shown now.
  show(taskId) {
    if (taskId === this.taskId) return;
    this.taskId = taskId;
    this.byName.clear();
    for (const request of this.requests) this.read(request);
  }

  all() {
    return [...this.byName.values()];
  }

  read(request) {
    if (request.poll === null || request.task_id !== this.taskId) return;
    let client = this.byName.get(request.client);
    if (!client) {
      client = { name: request.client, polls: [], count: 0, cursor: 0, seen: 0, lost: 0, failed: 0 };
      this.byName.set(request.client, client);
    }
    const good = request.http_status === 200 && request.next_offset !== null;
    const first = request.events.length ? request.events[0] : null;
    // What it was told before is not lost, even if it asks for it again too late.
    const expected = Math.max(request.offset ?? 0, client.seen);
    const lost = good && first !== null ? Math.max(0, first - expected) : 0;
    client.count += 1;
    client.failed += good ? 0 : 1;
    client.lost += lost;
    if (good) {
      client.cursor = request.next_offset;
      client.seen = Math.max(client.seen, client.cursor);
    }
    client.polls.push({
      at_ms: request.position_ms,
      from: request.offset,
      to: good ? request.next_offset : null,
      brought: good ? request.next_offset - (first ?? request.next_offset) : 0,
      lost,
      good,
      faults: request.faults,
      number: request.poll,
      status: request.http_status,
    });
    if (client.polls.length > MOST_POLLS) client.polls.shift();
  }
}
