/** Questions to `/api/logs`. A newer question on the same channel aborts the older one. */
import { parseExact } from "./document.ts";

/** An answer that is no success. `position` and `length` say where in the query it hurts. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string;
  readonly field: string;
  readonly position: number | null;
  readonly length: number;

  constructor(status: number, body: { code?: string; message?: string; hint?: string | null; field?: string | null; position?: number | null; length?: number | null }) {
    super(body.message ?? `the server answered ${status}`);
    this.status = status;
    this.code = body.code ?? "";
    this.hint = body.hint ?? "";
    this.field = body.field ?? "";
    this.position = body.position ?? null;
    this.length = body.length ?? 0;
  }
}

const meta = (name: string): string => document.querySelector<HTMLMetaElement>(`meta[name="${name}"]`)?.content ?? "";

const problem = async (answer: Response): Promise<Problem> => {
  try {
    const body = (await answer.json()) as { error?: ConstructorParameters<typeof Problem>[1] };
    return new Problem(answer.status, body.error ?? {});
  } catch {
    return new Problem(answer.status, {});
  }
};

const send = async <T>(path: string, options: RequestInit): Promise<T> => {
  let answer: Response;
  try {
    answer = await fetch(`/api/logs/${path}`, options);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Problem(0, { code: "offline", message: "dxops does not answer", hint: "Is it running? This page tries again when you refresh." });
  }
  if (answer.status === 401) location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  if (!answer.ok) throw await problem(answer);
  return (answer.status === 204 ? undefined : parseExact(await answer.text())) as T;
};

const channels = new Map<string, AbortController>();

/** GET, the newest question of its channel alone. Throws `Problem`; an `AbortError` is to be left alone. */
export const ask = async <T>(channel: string, path: string, query?: URLSearchParams): Promise<T> => {
  channels.get(channel)?.abort();
  const controller = new AbortController();
  channels.set(channel, controller);
  try {
    return await send<T>(query ? `${path}?${query}` : path, { headers: { Accept: "application/json" }, signal: controller.signal });
  } finally {
    if (channels.get(channel) === controller) channels.delete(channel);
  }
};

export const drop = (channel: string): void => channels.get(channel)?.abort();

export const change = <T>(method: "POST" | "PUT" | "DELETE", path: string, body?: unknown): Promise<T> =>
  send<T>(path, {
    method,
    headers: { Accept: "application/json", "Content-Type": "application/json", "X-CSRF-Token": meta("csrf-token") },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });

export const aborted = (error: unknown): boolean => error instanceof DOMException && error.name === "AbortError";
export const told = (error: unknown): Problem =>
  error instanceof Problem ? error : new Problem(0, { code: "page", message: error instanceof Error ? error.message : String(error) });
