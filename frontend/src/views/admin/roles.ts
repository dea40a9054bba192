import type { Account, Role, Token } from "../../commands/access";
import { m, message } from "../../messages";

/** Roles of people, those with the least first. */
export const personRoles = ["viewer", "dispatcher", "supervisor", "commander", "agency_officer", "shelter_keeper", "admin"] as const satisfies readonly Role[];
/** Roles of programs. */
export const tokenRoles = ["feed", "viewer", "dispatcher", "supervisor", "commander", "agency_officer", "shelter_keeper", "admin"] as const satisfies readonly Role[];

/** What a role is called. */
export function roleName(role: string): string {
  return message(`role_${role}`) ?? role;
}

/** What a role is for, in a sentence. */
export function roleHelp(role: string): string {
  return message(`role_help_${role}`) ?? "";
}

/** Whether a role may be confined to agencies, and whether it must. */
export function agenciesOf(role: string): "no" | "some" | "needed" {
  if (role === "agency_officer") return "needed";
  return ["dispatcher", "supervisor", "commander", "admin"].includes(role) ? "some" : "no";
}

/** How an account is. */
export function stateOf(account: Account): Readonly<{ tone: "good" | "warn" | "bad" | "off" | "plain"; text: string }> {
  if (account.disabled) return { tone: "off", text: m.person_disabled() };
  if (!account.has_password) return { tone: "warn", text: m.person_invited() };
  if (account.must_change) return { tone: "warn", text: m.person_must_change() };
  if ((account.sessions ?? 0) > 0) return { tone: "good", text: m.person_signed_in() };
  return { tone: "plain", text: m.person_away() };
}

/** How a token is, at a moment in Unix ms. */
export function stateOfToken(token: Token, now: number): Readonly<{ tone: "good" | "warn" | "bad" | "off" | "plain"; text: string }> {
  if (token.revoked) return { tone: "off", text: m.program_revoked() };
  if (token.expires && Date.parse(token.expires) <= now) return { tone: "off", text: m.program_expired() };
  if (token.quarantined_until && Date.parse(token.quarantined_until) > now) return { tone: "bad", text: m.program_quarantined() };
  if (!token.seen) return { tone: "plain", text: m.program_never() };
  return now - Date.parse(token.seen) < 60_000 ? { tone: "good", text: m.program_active() } : { tone: "plain", text: m.program_quiet() };
}
