/**
 * Which kind of credentials is meant by the settings that are set. Pure: it looks at what is set and where, and names the
 * kind or tells what is wrong.
 */
import { allKinds, type Kind, tables } from "./CredentialsSections.ts"
import * as Settings from "./Settings.ts"
import { type FullLook, keyOf, settingName, variablesOf } from "./SettingsSection.ts"

/** What a tool accepts. */
export interface Options {
  /** The kinds that the tool accepts; by default all. Settings of another kind are reported as not usable. */
  readonly kinds?: ReadonlyArray<Kind> | undefined
  /** Whether the tool's own token endpoint takes the place of a `token_url` that is not set (see `Defaults` of CredentialsSettings). */
  readonly hasTokenUrl?: boolean | undefined
  /** Whether there have to be credentials here, by what else is set. Default: yes. */
  readonly isNeeded?: ((look: FullLook) => boolean) | undefined
  /** Further places that credentials may come from, for the report that there are none; lines that follow the list. */
  readonly otherPlaces?: ReadonlyArray<string> | undefined
}

/** What {@link decide} finds. */
export interface Decision {
  /** The kind that is used; undefined when there are problems. */
  readonly kind: Kind | undefined
  readonly problems: ReadonlyArray<Settings.Problem>
}

/** Whether nothing is set at all: no credentials, and no kind chosen. */
export const isUnset = (look: Settings.Look): boolean =>
  !isSetChoice(look) && allKinds.every((kind) => tellingSettings(look, kind).length === 0)

/** Which kind is meant by what is set, or why that cannot be said. */
export const decide = (look: Settings.Look, options: Options): Decision => {
  const accepted = options.kinds ?? allKinds
  const chosen = allKinds.find((kind) => kind === look.value("credentials", "kind"))
  const present = allKinds.filter((kind) => tellingSettings(look, kind).length > 0)
  const usable = present.filter((kind) => accepted.includes(kind))
  const kind = chosen ?? (usable.length === 1 || present.length === 1 ? (usable[0] ?? present[0]) : undefined)
  if (kind === undefined) {
    const problem =
      present.length === 0 ? missing(accepted, options.otherPlaces ?? []) : ambiguous(look, present, accepted)
    return { kind, problems: [problem] }
  }
  if (!accepted.includes(kind)) return { kind: undefined, problems: [unsuitable(look, kind, accepted)] }
  const problems = tables[kind].needed
    .filter((name) => !(kind === "oauth" && name === "tokenUrl" && options.hasTokenUrl === true))
    .filter((name) => !isSet(look, kind, name))
    .map((name) => incomplete(look, kind, name))
  return problems.length === 0 ? { kind, problems } : { kind: undefined, problems }
}

const isSet = (look: Settings.Look, kind: Kind, name: string): boolean =>
  look.origin(tables[kind].section.table, name) !== undefined ||
  look.value(tables[kind].section.table, name) !== undefined

const tellingSettings = (look: Settings.Look, kind: Kind): ReadonlyArray<string> =>
  tables[kind].telling.filter((name) => isSet(look, kind, name))

const choice = "[credentials] kind"

const missing = (accepted: ReadonlyArray<Kind>, otherPlaces: ReadonlyArray<string>): Settings.Problem => ({
  setting: choice,
  what: "no credentials are set",
  where: "",
  expected: [
    "the settings of one kind, as variables or in the settings file:",
    ...accepted.map((kind) => `- ${kind}: ${needsOf(kind)}`),
    ...otherPlaces
  ].join("\n"),
  found: ""
})

/** All that a kind needs, in both sources: `DK_AGENT_TOKEN, or [auth_api_token] agent_token`. */
const needsOf = (kind: Kind): string => {
  const { needed, section } = tables[kind]
  const places = needed.flatMap((name) => {
    const field = section.fields[name]
    return field === undefined
      ? []
      : [{ variable: variablesOf(section, name, field)[0] ?? name, key: keyOf(name, field) }]
  })
  const variables = places.map(({ variable }) => variable).join(", ")
  return `${variables}, or [${section.table}] ${places.map(({ key }) => key).join(", ")}`
}

const ambiguous = (
  look: Settings.Look,
  present: ReadonlyArray<Kind>,
  accepted: ReadonlyArray<Kind>
): Settings.Problem => {
  const usable = present.filter((kind) => accepted.includes(kind))
  return {
    setting: choice,
    what: "credentials of more than one kind are set",
    where: present.map((kind) => `${kind}: ${whereSet(look, kind)}`).join("; "),
    expected: `only one kind, or kind (DK_CREDENTIALS_KIND) set to ${orList(usable.length === 0 ? accepted : usable)}`,
    found: present.join(", ")
  }
}

const unsuitable = (look: Settings.Look, kind: Kind, accepted: ReadonlyArray<Kind>): Settings.Problem => ({
  setting: choice,
  what: "the tool does not accept this kind of credentials",
  where: isSetChoice(look) ? originText(look, "credentials", "kind") : whereSet(look, kind),
  expected: orList(accepted),
  found: kind
})

const isSetChoice = (look: Settings.Look): boolean => look.value("credentials", "kind") !== undefined

const incomplete = (look: Settings.Look, kind: Kind, name: string): Settings.Problem => {
  const set = whereSet(look, kind)
  return {
    setting: settingOf(kind, name),
    what: `required for credentials of the kind ${kind}, but not set`,
    where: "",
    expected: placesOf(kind, name),
    found: set === "" ? "nothing" : `nothing, though ${set} is set`
  }
}

const whereSet = (look: Settings.Look, kind: Kind): string =>
  tellingSettings(look, kind)
    .map((name) => originText(look, tables[kind].section.table, name) || settingOf(kind, name))
    .join(", ")

const originText = (look: Settings.Look, table: string, name: string): string => {
  const origin = look.origin(table, name)
  return origin === undefined ? "" : Settings.describeOrigin(origin)
}

/** The name of a setting of a kind: `[auth_api_token] agent_token`. */
export const settingOf = (kind: Kind, name: string): string => {
  const { section } = tables[kind]
  const field = section.fields[name]
  return field === undefined ? name : settingName(section.table, keyOf(name, field))
}

/** The names of a setting in both sources: `DK_AGENT_TOKEN ([auth_api_token] agent_token)`. */
const placesOf = (kind: Kind, name: string): string => {
  const { section } = tables[kind]
  const field = section.fields[name]
  const variable = field === undefined ? undefined : variablesOf(section, name, field)[0]
  return variable === undefined ? settingOf(kind, name) : `${variable} (${settingOf(kind, name)})`
}

const orList = (kinds: ReadonlyArray<Kind>): string => kinds.map((kind) => `"${kind}"`).join(" or ")
