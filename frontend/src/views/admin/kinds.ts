import { m, message } from "../../messages";
import { ground } from "./ground.svelte";

/** What a kind of feature is called. */
export function kindName(kind: string): string {
  return message(`kind_${kind}`) ?? kind;
}

/** What an action of the policy is, in a few words; one that this version does not know, in the server's. */
export function actionName(action: string, what = ""): string {
  return message(`action_${action.replaceAll(".", "_")}`) ?? (what || action);
}

/** What an act in the record was, in a few words; one that this version does not know, by its name. */
export function didName(name: string): string {
  return message(`did_${name.replaceAll(".", "_")}`) ?? name;
}

/** What an audience is called: the names of agencies and the keys of shelters stand in it. */
export function audienceName(audience: string): string {
  const [group = "", of = ""] = audience.split(/:(.*)/s);
  const names = of.split(",").filter(Boolean);
  switch (group) {
    case "ops":
      return names.length > 0 ? m.audience_ops_of({ agencies: ground.agencies(names) }) : m.audience_ops();
    case "brief":
      return m.audience_brief();
    case "public":
      return m.audience_public();
    case "agency":
      return ground.agencies(names);
    case "shelter":
      return m.audience_shelter({ shelters: names.map((name) => `\u2068${name}\u2069`).join(" ") });
    default:
      return audience;
  }
}

/** To whom an audience belongs, in a sentence. */
export function audienceHelp(audience: string): string {
  return message(`audience_help_${audience.split(":")[0]}`) ?? "";
}
