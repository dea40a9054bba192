import { m } from "../../messages";

/** Something that a key or the command bar does. */
export type Action = Readonly<{
  id: string;
  /** What it does, in the present language. */
  label: () => string;
  /** `KeyboardEvent.code` of the key, the same on every layout: a Persian keyboard has no N. */
  code?: string;
  /** How the key is written in lists. */
  key?: string;
  ctrl?: boolean;
  /** It changes something: while somebody looks at the past its key says why it does nothing. */
  command?: boolean;
  /** Whether it can be done now. */
  possible: () => boolean;
  run: () => void;
}>;

/** Whether a person is writing: keys are letters then. */
export function isWriting(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) return true;
  return target instanceof HTMLInputElement && !["checkbox", "radio", "button", "range"].includes(target.type);
}

/** Whether Enter and Space press what is under the focus. */
export function isButton(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest("button, a[href], select, summary") !== null;
}

/** The action that a key means. */
export function actionOf(event: KeyboardEvent, actions: readonly Action[]): Action | undefined {
  if (event.altKey || event.isComposing) return undefined;
  const ctrl = event.ctrlKey || event.metaKey;
  return actions.find((action) => action.code === event.code && (action.ctrl ?? false) === ctrl && action.possible());
}

/** What the list of keys says beside the actions. */
export function moreKeys(): readonly Readonly<{ keys: readonly string[]; label: string }>[] {
  return [
    { keys: ["1", "5"], label: m.cmd_choose() },
    { keys: ["⏎"], label: m.cmd_confirm() },
    { keys: ["Esc"], label: m.cmd_escape() },
  ];
}
