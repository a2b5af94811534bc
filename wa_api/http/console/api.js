// Who is signed in, and calls with their token. A sign-in is
// { kind, label, access, refresh?, expires, me }; several may be kept, one is in use.
import { t } from "./words.js";

const PLACE = "wa.signins";
const KEY_PLACE = "wa.key"; // an API key lives as long as its tab, never longer

export class Problem extends Error {
  constructor(status, body) {
    super(body?.detail ?? body?.title ?? t("problem.unreachable"));
    Object.assign(this, { status, code: body?.code ?? "unreachable", body });
  }
}

/** What to tell a person about an error. */
export function explain(problem) {
  if (!(problem instanceof Problem)) {
    console.warn(problem);
    return t("problem.unexpected");
  }
  return t.maybe(`problem.${problem.code}`) ?? t("problem.not_accepted", { detail: problem.message });
}

class Account extends EventTarget {
  constructor() {
    super();
    addEventListener("storage", (event) => {
      if (event.key === PLACE && !this.current()) this.dispatchEvent(new Event("out"));
    });
  }

  read() {
    try {
      const kept = JSON.parse(localStorage.getItem(PLACE)) ?? {};
      return { list: kept.list ?? [], use: kept.use ?? null };
    } catch {
      return { list: [], use: null };
    }
  }

  write(kept) {
    localStorage.setItem(PLACE, JSON.stringify(kept));
  }

  mine() {
    return sessionStorage.getItem("wa.use") ?? this.read().use;
  }

  current() {
    const { list } = this.read();
    return list.find((one) => one.id === this.mine()) ?? null;
  }

  others() {
    return this.read().list.filter((one) => one.id !== this.mine());
  }

  use(id) {
    sessionStorage.setItem("wa.use", id);
    this.write({ ...this.read(), use: id });
    this.dispatchEvent(new Event("switched"));
  }

  /** Go on as somebody else and end the sign-in that led there; nothing is drawn anew. */
  async adopt(signIn) {
    const before = this.current();
    sessionStorage.setItem("wa.use", signIn.id);
    this.write({ ...this.read(), use: signIn.id });
    if (!before || before.id === signIn.id) return;
    this.forget(before.id);
    const body = before.refresh ? { refresh_token: before.refresh } : {};
    await raw("POST", "/auth/revoke", { token: before.access, body });
  }

  change(id, values) {
    const kept = this.read();
    kept.list = kept.list.map((one) => (one.id === id ? { ...one, ...values } : one));
    this.write(kept);
  }

  forget(id) {
    const kept = this.read();
    kept.list = kept.list.filter((one) => one.id !== id);
    if (kept.use === id) kept.use = null;
    this.write(kept);
    if (this.mine() === id) sessionStorage.removeItem("wa.use");
  }

  /** Sign in with what a person typed; raises Problem. */
  async signIn(grant, label) {
    const began = Date.now();
    const issued = await raw("POST", "/auth/token", { body: grant });
    const me = await raw("GET", "/auth/me", { token: issued.access_token });
    if (grant.grant_type === "api_key") sessionStorage.setItem(KEY_PLACE, grant.api_key);
    return this.keep({
      id: crypto.getRandomValues(new Uint32Array(2)).join("-"),
      kind: grant.grant_type,
      label: label || me.subject,
      access: issued.access_token,
      refresh: issued.refresh_token ?? null,
      expires: began + issued.expires_in * 1000,
      me,
    });
  }

  /** Use a token that was issued elsewhere, for as long as it lasts. */
  async pasted(token) {
    const me = await raw("GET", "/auth/me", { token });
    const expires = me.expires_at ? me.expires_at * 1000 : Number.MAX_SAFE_INTEGER;
    const id = crypto.getRandomValues(new Uint32Array(2)).join("-");
    return this.keep({ id, kind: "token", label: me.subject, access: token, refresh: null, expires, me });
  }

  keep(signIn) {
    const kept = this.read();
    const rest = kept.list.filter((one) => one.me.subject !== signIn.me.subject);
    this.write({ list: [...rest, signIn].slice(-6), use: kept.use });
    return signIn;
  }

  /** A token that is good for another while; refreshed before it ends, once for all tabs. */
  async token(stale) {
    const now = this.current();
    if (!now) throw new Problem(401, { code: "signed_out", detail: t("problem.token_expired") });
    const good = now.access !== stale && now.expires - Date.now() > 30_000;
    if (good) return now.access;
    await locked(() => this.renew(stale));
    return this.current()?.access ?? this.token();
  }

  async renew(stale) {
    const now = this.current(); // read anew: another tab may have refreshed meanwhile
    if (!now || (now.access !== stale && now.expires - Date.now() > 30_000)) return;
    const key = sessionStorage.getItem(KEY_PLACE);
    const began = Date.now();
    try {
      let issued;
      if (now.refresh) issued = await raw("POST", "/auth/refresh", { body: { refresh_token: now.refresh } });
      else if (now.kind === "api_key" && key) issued = await raw("POST", "/auth/token", { body: { grant_type: "api_key", api_key: key } });
      else if (now.expires > Date.now() && now.access !== stale) return;
      else throw new Problem(401, { code: "token_expired" });
      this.change(now.id, {
        access: issued.access_token,
        refresh: issued.refresh_token ?? null,
        expires: began + issued.expires_in * 1000,
      });
      this.dispatchEvent(new Event("renewed"));
    } catch (problem) {
      if (problem.status === 401 || problem.status === 403) this.lost(now.id);
      throw problem;
    }
  }

  /** The sign-in was ended elsewhere (unless we are just ending it: then all else is refused, too). */
  lost(id = this.current()?.id) {
    if (!id || id === this.leaving) return;
    this.forget(id);
    this.dispatchEvent(new CustomEvent("out", { detail: "lost" }));
  }

  /** Revoke this sign-in at the gateway, then forget it here. */
  async signOut() {
    const now = this.current();
    if (!now) return;
    this.leaving = now.id;
    try {
      const body = now.refresh ? { refresh_token: now.refresh } : {};
      await raw("POST", "/auth/revoke", { token: await this.token(), body });
    } catch (problem) {
      // Signed out already is what was wanted; anything else must not look like success.
      if (problem.status !== 401 && problem.status !== 409) {
        this.leaving = null;
        throw problem;
      }
    }
    if (now.kind === "api_key") sessionStorage.removeItem(KEY_PLACE);
    // Texts that wait in this tab (see outbox.js) are nobody's any more.
    for (const key of Object.keys(sessionStorage)) if (key.startsWith(`wa.outbox ${now.me.subject} `)) sessionStorage.removeItem(key);
    this.forget(now.id);
    this.dispatchEvent(new Event("out"));
  }

  may(scope) {
    return this.current()?.me.scopes.includes(scope) ?? false;
  }
}

/** One at a time over all tabs, where the browser can (it can on https and on localhost). */
function locked(work) {
  return navigator.locks ? navigator.locks.request("wa.refresh", work) : work();
}

export const account = new Account();

function address(path, query) {
  const url = new URL(`/v1${path}`, location.origin);
  for (const [name, value] of Object.entries(query ?? {}))
    if (value !== undefined && value !== null && value !== "") url.searchParams.set(name, value);
  return url;
}

async function raw(method, path, { body, query, token, headers = {}, as = "json", signal } = {}) {
  const url = address(path, query);
  const sent = { ...headers };
  if (token) sent.Authorization = `Bearer ${token}`;
  if (body !== undefined) sent["Content-Type"] = "application/json";
  let answer;
  try {
    const limit = AbortSignal.timeout(70_000);
    answer = await fetch(url, {
      method, headers: sent, body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, limit]) : limit, cache: "no-store",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, null);
  }
  if (!answer.ok) throw new Problem(answer.status, await answer.json().catch(() => null));
  if (as === "blob") return { blob: await answer.blob(), headers: answer.headers };
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}

/** Call the API as whoever is signed in. A token that was refused is renewed once. */
export async function call(method, path, options = {}) {
  const token = await account.token();
  try {
    return await raw(method, path, { ...options, token });
  } catch (problem) {
    if (problem.status !== 401) throw problem;
    if (!account.current()) throw problem;
    return raw(method, path, { ...options, token: await account.token(token) }).catch((again) => {
      if (again.status === 401) account.lost();
      throw again;
    });
  }
}

export const get = (path, query, options) => call("GET", path, { query, ...options });
export const post = (path, body = {}, options) => call("POST", path, { body, ...options });
export const patch = (path, body, query) => call("PATCH", path, { body, query });
export const del = (path, query) => call("DELETE", path, { query });

/** Bring a file: `progress` hears how much of it (0 to 1) has gone. Fetch cannot tell that. */
export async function upload(path, query, file, signal, progress) {
  const token = await account.token();
  return sent(path, query, file, signal, progress, token).catch(async (problem) => {
    if (problem.status !== 401) throw problem;
    return sent(path, query, file, signal, progress, await account.token(token));
  });
}

function sent(path, query, file, signal, progress, token) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address(path, query));
    request.setRequestHeader("Authorization", `Bearer ${token}`);
    request.setRequestHeader("Content-Type", file.type || "application/octet-stream");
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) => progress(total ? Math.floor((loaded / total) * 50) / 50 : 0);
    request.onload = () => (request.status < 300 ? resolve(request.response) : reject(new Problem(request.status, request.response)));
    request.onerror = request.onabort = () => reject(new Problem(0, null));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

/** All pages of a list, up to a bound. */
export async function everything(path, query = {}, bound = 1000) {
  const found = [];
  let after;
  do {
    const page = await get(path, { ...query, limit: 200, after });
    found.push(...page.items);
    after = page.next;
  } while (after && found.length < bound);
  return { items: found, more: Boolean(after) };
}
