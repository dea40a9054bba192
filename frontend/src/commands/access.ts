import type { components } from "../api/types";
import { send, type Call, type Outcome } from "./http";

type Schemas = components["schemas"];

/** Who asks, and what they may do. */
export type Who = Schemas["Who"];
/** A person who signs in. */
export type Account = Schemas["Account"];
/** What a person, a program or a wall is. */
export type Role = Schemas["Role"];
/** A browser that somebody is signed in on. */
export type SessionInfo = Schemas["SessionInfo"];
/** A second factor that was begun: shown once. */
export type TotpBegin = Schemas["TotpBegin"];
/** A one-time link for a first or a new password. */
export type ResetLink = Schemas["ResetLink"];
/** The token of a program, without its secret. */
export type Token = Schemas["Token"];
/** The same with its secret, this once. */
export type TokenMade = Schemas["TokenMade"];
/** A wall. */
export type Device = Schemas["Device"];
/** What a wall that is not admitted shows, and asks with. */
export type Enrolment = Schemas["Enrolment"];
/** The wall that shows a code. */
export type PendingWall = Schemas["PendingWall"];
/** The table that decides. */
export type PolicyTable = Schemas["PolicyTable"];
/** An audience of the stream. */
export type Audience = Schemas["Audience"];
/** Something that somebody did. */
export type Act = Schemas["Act"];
/** A page of what people did. */
export type ActPage = Schemas["ActPage"];
/** Features as a list of the door gives them. */
export type FeaturePage = Schemas["FeatureCollection"];

/** A world of the installation: a city, or an exercise. */
export type WorldInfo = Schemas["WorldInfo"];

const part = encodeURIComponent;
const get = <T>(path: string, signal?: AbortSignal): Promise<Outcome<T>> => send({ method: "GET", path, ...(signal ? { signal } : {}) });
const write = <T>(method: Call["method"], path: string, body?: unknown): Promise<Outcome<T>> =>
  send({ method, path, ...(body === undefined ? {} : { body }) });
/** Proofs of a person are sent once: a second try of a wrong password counts as one. */
const prove = <T>(method: Call["method"], path: string, body?: unknown): Promise<Outcome<T>> =>
  send({ method, path, ...(body === undefined ? {} : { body }), question: true });
/** Members that are empty are not sent. */
const why = (text: string) => (text.trim() ? { why: text.trim() } : {});
const query = (values: Readonly<Record<string, string>>): string => {
  const given = Object.entries(values).filter(([, value]) => value !== "");
  return given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
};

// ---- Who is here ----

/** Who this browser is; 401 when nobody. */
export const getWho = (signal?: AbortSignal) => get<Who>("/api/v1/session", signal);
/** Signs in. Problems: `credentials`, `code-needed`, `code-wrong`, `wait`, `busy`, `tls-needed`. */
export const signIn = (name: string, password: string, code: string) =>
  prove<Who>("POST", "/api/v1/session", { name, password, ...(code ? { code } : {}) });
/** Ends the session of this browser. */
export const signOut = () => prove<null>("DELETE", "/api/v1/session");
/** Proves again who one is. Problems are those of signing in. */
export const stepUp = (password: string, code: string) => prove<Who>("POST", "/api/v1/session/stepup", { password, ...(code ? { code } : {}) });
/** How the provider of identities is called by which people come in; "" when there is none. */
export const getProvider = (signal?: AbortSignal) => get<Readonly<{ name: string }>>("/api/v1/oidc", signal);
/** The page by which the provider lets somebody in, or proves again who they are; the browser ends at `to`. */
export const providerAddress = (to: string, stepUp = false) => `/api/v1/oidc/start${query({ to, stepup: stepUp ? "true" : "" })}`;
/** Ends the session of this browser, and says where to sign out at the provider. */
export const endProvider = () => prove<Readonly<{ address: string }>>("POST", "/api/v1/oidc/end");
/** Makes the first account, by the token of the setup link. Problems: `setup`, `password`. */
export const setup = (body: Schemas["SetupInput"]) => prove<Who>("POST", "/api/v1/setup", body);
/** Sets a password by the token of a one-time link. Problems: `reset`, `password`. */
export const useReset = (token: string, password: string) => prove<Schemas["ResetDone"]>("POST", "/api/v1/reset", { token, password });

// ---- The own account ----

/** The own account, with how many recovery codes are left. */
export const getAccount = (signal?: AbortSignal) => get<Account>("/api/v1/account", signal);
/** Changes the own display name and language. */
export const patchOwn = (body: Schemas["OwnAccountPatch"]) => write<Account>("PATCH", "/api/v1/account", body);
/** Changes the own password; all other sessions end. */
export const putPassword = (body: Schemas["PasswordInput"]) => prove<Who>("PUT", "/api/v1/account/password", body);
/** Begins a second factor; it counts from its first code on. */
export const beginTotp = () => prove<TotpBegin>("POST", "/api/v1/account/totp");
/** Gives the first code of the second factor. */
export const confirmTotp = (code: string) => prove<Who>("PUT", "/api/v1/account/totp", { code });
/** Takes the own second factor away. */
export const deleteTotp = () => prove<Who>("DELETE", "/api/v1/account/totp");
/** Where one is signed in. */
export const ownSessions = (signal?: AbortSignal) => get<Schemas["SessionList"]>("/api/v1/account/sessions", signal);
/** Ends an own session. */
export const endOwnSession = (id: string) => write<null>("DELETE", `/api/v1/account/sessions/${part(id)}`);

// ---- People ----

/** All accounts, by name. */
export const listAccounts = (signal?: AbortSignal) => get<Schemas["AccountList"]>("/api/v1/accounts", signal);
/** Makes an account; without a password the answer has a one-time link. */
export const createAccount = (body: Schemas["AccountInput"]) => write<Schemas["AccountMade"]>("POST", "/api/v1/accounts", body);
/** Changes an account; its sessions end when its role, its scope or its being disabled changes. */
export const patchAccount = (id: string, body: Schemas["AccountPatch"]) => write<Account>("PATCH", `/api/v1/accounts/${part(id)}`, body);
/** Gives a one-time link for a new password; with `factor` the second factor is gone at once. */
export const resetAccount = (id: string, factor: boolean, reason: string) =>
  write<ResetLink>("POST", `/api/v1/accounts/${part(id)}/reset`, { ...(factor ? { factor } : {}), ...why(reason) });
/** Where somebody is signed in. */
export const sessionsOf = (id: string, signal?: AbortSignal) => get<Schemas["SessionList"]>(`/api/v1/accounts/${part(id)}/sessions`, signal);
/** Ends one session of somebody, or all. */
export const endSessions = (id: string, session = "") =>
  write<null>("DELETE", `/api/v1/accounts/${part(id)}/sessions${session ? `/${part(session)}` : ""}`);

// ---- Programs ----

/** Tokens of programs, by when they were made. */
export const listTokens = (signal?: AbortSignal) => get<Schemas["TokenList"]>("/api/v1/tokens", signal);
/** Issues a token: its secret is in this answer and nowhere else. */
export const createToken = (body: Schemas["TokenInput"]) => write<TokenMade>("POST", "/api/v1/tokens", body);
/** Changes the limits of a token. */
export const patchToken = (id: string, body: Schemas["TokenPatch"]) => write<Token>("PATCH", `/api/v1/tokens/${part(id)}`, body);
/** Gives a token a new secret; the one before works for the overlap, in seconds. */
export const rotateToken = (id: string, overlapS: number) => write<TokenMade>("POST", `/api/v1/tokens/${part(id)}/rotate`, { overlap_s: overlapS });
/** Sets a token aside for so many seconds, or takes it back. */
export const quarantineToken = (id: string, on: boolean, seconds: number, reason: string) =>
  write<Token>("POST", `/api/v1/tokens/${part(id)}/quarantine`, { on, ...(on ? { seconds } : {}), ...why(reason) });
/** Revokes a token for ever. */
export const revokeToken = (id: string, reason: string) => write<null>("DELETE", `/api/v1/tokens/${part(id)}${query({ why: reason.trim() })}`);

// ---- Walls ----

/** Walls and their health. */
export const listDevices = (signal?: AbortSignal) => get<Schemas["DeviceList"]>("/api/v1/devices", signal);
/** Asks for a code to show on this wall. */
export const beginEnrolment = () => prove<Enrolment>("POST", "/api/v1/devices/enrolments");
/** Asks whether this wall was approved: 202 with no body, or who it is now. */
export const claimDevice = (claim: string) => prove<Who | null>("POST", "/api/v1/devices/claim", { claim });
/** Which wall shows a code. Problems: `no-code`, `wait`. */
export const getEnrolment = (code: string) => get<PendingWall>(`/api/v1/devices/enrolments/${part(code)}`);
/** Admits the wall that shows a code. */
export const approveDevice = (code: string, name: string) => write<Device>("POST", `/api/v1/devices/enrolments/${part(code)}/approve`, { name });
/** Gives a wall another name. */
export const renameDevice = (id: string, name: string) => write<Device>("PATCH", `/api/v1/devices/${part(id)}`, { name });
/** Revokes a wall for ever. */
export const revokeDevice = (id: string, reason: string) => write<null>("DELETE", `/api/v1/devices/${part(id)}${query({ why: reason.trim() })}`);
/** Says how this wall is. */
export const putHealth = (body: Schemas["HealthInput"]) => prove<null>("PUT", "/api/v1/devices/self/health", body);

// ---- Who may see and do what, and who did ----

/** The table that decides. */
export const getPolicy = (signal?: AbortSignal) => get<PolicyTable>("/api/v1/policy", signal);
/** Which audiences there are, and what each sees. */
export const listAudiences = (signal?: AbortSignal) => get<Schemas["AudienceList"]>("/api/v1/audiences", signal);
/** The world as an audience sees it. */
export const featuresAs = (audience: string, signal?: AbortSignal) => get<FeaturePage>(`/api/v1/features${query({ as: audience, limit: "2000" })}`, signal);

/** What acts to look for; empty means any. Times are RFC 3339. */
export type ActQuery = Readonly<{ from: string; to: string; who: string; name: string; feature: string; q: string; cursor: string }>;
/** Acts, the newest first. */
export const listActs = (asked: ActQuery, signal?: AbortSignal) => get<ActPage>(`/api/v1/acts${query({ ...asked, limit: "50" })}`, signal);

/** The worlds that whoever asks may enter, the home world first. */
export function listWorlds(): Promise<Outcome<Schemas["WorldList"]>> {
  return get("/api/v1/worlds");
}
