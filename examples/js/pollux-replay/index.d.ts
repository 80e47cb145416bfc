export class ReplayError extends Error {}

export interface Wish {
  polls?: number;
  idx?: number;
  acked?: number;
  end?: boolean;
  paused?: boolean;
  silence?: number;
  timeout?: number;
}

export type Target = { idx: number } | { ms: number } | { marker: string } | { end: true };

export interface Report {
  verdict: "conformant" | "violated" | "incomplete";
  rules: {
    rule: string;
    level: "MUST" | "SHOULD";
    outcome: "PASS" | "FAIL" | "WARN" | "UNTESTABLE" | "NOT_APPLICABLE";
    detail: string;
    polls: number[];
  }[];
}

export class Session {
  readonly baseUrl: string;
  state(): Promise<Record<string, unknown>>;
  journal(): Promise<Record<string, unknown>>;
  step(events?: number): Promise<Record<string, unknown>>;
  advance(ms: number): Promise<Record<string, unknown>>;
  seek(target: Target): Promise<Record<string, unknown>>;
  play(): Promise<Record<string, unknown>>;
  pause(): Promise<Record<string, unknown>>;
  speed(factor: number): Promise<Record<string, unknown>>;
  faults(text: string): Promise<Record<string, unknown>>;
  report(options?: { ended?: boolean }): Promise<Report>;
  reset(): Promise<Record<string, unknown>>;
  ack(idx: number | number[]): Promise<Record<string, unknown>>;
  waitFor(wish: Wish): Promise<Record<string, unknown>>;
}

export class Replay extends Session {
  readonly recordings: {
    name: string;
    path: string;
    events: number | null;
    status: string | null;
    complete: boolean;
  }[];
  session(id: string): Session;
  stop(): Promise<void>;
}

export type Option = string | number | boolean | undefined | (string | number)[];

export function startReplay(
  files: string | string[],
  options?: { command?: string[] } & Record<string, Option>,
): Promise<Replay>;
