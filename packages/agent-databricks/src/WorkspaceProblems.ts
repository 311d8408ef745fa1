/**
 * What can be wrong with the settings of workspaces taken together: none, one and several at once, two that are the same, and
 * credentials of one that contradict each other or are not there. Pure.
 */
import * as Settings from "@observability-agents/toolkit/Settings"
import * as Result from "effect/Result"
import * as DatabricksAuth from "./DatabricksAuth.ts"
import * as Host from "./Host.ts"

/** All problems. */
export const find = (look: Settings.FullLook): ReadonlyArray<Settings.Problem> => {
  const items = itemsOf(look)
  if (items.length === 0) return singleProblems(look)
  const sameHosts = twins(items, "host", placeOf)
  // Names come from the addresses where they are not set, so that the same address is told once.
  const sameNames = twins(items, "name", nameOf).filter(
    ({ setting }) => !sameHosts.some((problem) => problem.setting === setting.replace(/name$/, "host"))
  )
  return [
    ...bothProblems(look),
    ...items.flatMap((item) => [...hostProblems(item), ...credentialsProblems(item)]),
    ...sameHosts,
    ...sameNames,
    // Prefixes come from the names, so that the same names are told once.
    ...(sameHosts.length + sameNames.length > 0
      ? []
      : [...twins(items, "key_prefix", ownPrefixOf), ...overlaps(items)]),
    ...tokenProblems(look, items)
  ]
}

/** Whether credentials that all workspaces share have to be set: there is one workspace, or one has none of its own. */
export const needsShared = (look: Settings.FullLook): boolean => {
  const items = itemsOf(look)
  return items.length === 0 || items.some(isWithout)
}

/** The attributes that a workspace's own table sets. */
export const attributesOf = (item: Settings.ItemLook): DatabricksAuth.Attributes =>
  DatabricksAuth.fromFields(item.value, (field) => whereOf(item, field))

// ---- private

const itemsOf = (look: Settings.FullLook): ReadonlyArray<Settings.ItemLook> =>
  look.items("databricks", "workspaces")

const text = (item: Settings.ItemLook, field: string): string | undefined => {
  const value = item.value(field)
  return typeof value === "string" ? value : undefined
}

const nameOf = (item: Settings.ItemLook): string | undefined => {
  const host = text(item, "host")
  return text(item, "name") ?? (host === undefined ? undefined : Host.nameOf(host))
}

/** Address and, where several workspaces share one, their number. */
const placeOf = (item: Settings.ItemLook): string | undefined => {
  const [host, id] = [text(item, "host"), text(item, "workspaceId")]
  return host === undefined || id === undefined ? host : `${host} ${id}`
}

/** Undefined where it is turned off: users say so themselves that the ids of their jobs differ. */
const ownPrefixOf = (item: Settings.ItemLook): string | undefined => prefixOf(item) || undefined

/** What stands before the keys of the workspace; empty where it is turned off. */
const prefixOf = (item: Settings.ItemLook): string | undefined => {
  const set = text(item, "keyPrefix")
  if (set !== undefined) return set
  const name = nameOf(item)
  return name === undefined ? undefined : `${name}/`
}

/** What is set, but not accepted, is told by itself: it is not missing. */
const isWithout = (item: Settings.ItemLook): boolean =>
  !DatabricksAuth.allKinds.some((kind) =>
    DatabricksAuth.kinds[kind].telling.some((name) => {
      const field = DatabricksAuth.fields[name]
      return field !== undefined && item.origin(field) !== undefined
    })
  )

const whereOf = (item: Settings.ItemLook, field: string): string => {
  const origin = item.origin(field)
  return origin === undefined ? item.title : Settings.describeOrigin(origin)
}

const EXAMPLE = "the address of the workspace, for example https://adb-1234567890123456.7.azuredatabricks.net"

const singleProblems = (look: Settings.Look): ReadonlyArray<Settings.Problem> =>
  look.value("databricks", "host") !== ""
    ? []
    : [
        {
          setting: "[databricks] host",
          what: "required, but not set",
          where:
            "[databricks] host in the settings file, DK_DATABRICKS_HOST or DATABRICKS_HOST in the environment, or host of a profile of ~/.databrickscfg",
          expected: EXAMPLE,
          found: "nothing"
        }
      ]

const bothProblems = (look: Settings.Look): ReadonlyArray<Settings.Problem> =>
  (
    [
      ["host", "host"],
      ["profile", "profile"],
      ["name", "name"],
      ["keyPrefix", "key_prefix"],
      ["workspaceId", "workspace_id"],
      ["azureWorkspaceResourceId", "azure_workspace_resource_id"]
    ] as const
  ).flatMap(([field, key]) => {
    const origin = look.origin("databricks", field)
    // Variables of other programs may be there for these.
    if (origin === undefined || !Settings.isExplicit(origin)) return []
    return [
      {
        setting: `[databricks] ${key}`,
        what: "set though there are several workspaces in [[databricks.workspaces]]",
        where: Settings.describeOrigin(origin),
        expected: `${key} only in each of the [[databricks.workspaces]]; for a single workspace, none of these tables`,
        found: ""
      }
    ]
  })

const hostProblems = (item: Settings.ItemLook): ReadonlyArray<Settings.Problem> =>
  item.value("host") !== undefined || item.origin("host") !== undefined
    ? []
    : [
        {
          setting: `${item.title} host`,
          what: "required, but not set",
          where: `${item.title}, or the profile that it names`,
          expected: EXAMPLE,
          found: "nothing"
        }
      ]

const credentialsProblems = (item: Settings.ItemLook): ReadonlyArray<Settings.Problem> => {
  const decided = DatabricksAuth.decide(attributesOf(item), item.title)
  return Result.isFailure(decided) ? [decided.failure] : []
}

/** A token is good for one workspace, and is nobody else's business. */
const tokenProblems = (
  look: Settings.Look,
  items: ReadonlyArray<Settings.ItemLook>
): ReadonlyArray<Settings.Problem> => {
  const sharing = items.filter(isWithout)
  const origin = look.origin("auth_api_token", "agentToken")
  const kind = look.value("credentials", "kind")
  if (sharing.length < 2 || origin === undefined || !(kind === undefined || kind === "api_token")) return []
  return [
    {
      setting: "[auth_api_token] agent_token",
      what: `one token for ${sharing.length} workspaces; a personal access token is good for one only`,
      where: Settings.describeOrigin(origin),
      expected:
        "token in each of the [[databricks.workspaces]], or a service principal that all of them know",
      found: ""
    }
  ]
}

/**
 * Problems of prefixes that another one continues so that a key may belong to either: `p` before job 17 and `p1` before
 * job 7. Behind a prefix stands the id of a job or run, or `submit:` and the name of a one-time run.
 */
const overlaps = (items: ReadonlyArray<Settings.ItemLook>): ReadonlyArray<Settings.Problem> =>
  items.flatMap((item, index) =>
    items.slice(0, index).flatMap((other) => {
      const [one, two] = [prefixOf(item), prefixOf(other)]
      if (one === undefined || two === undefined || !(continues(one, two) || continues(two, one))) return []
      return [
        {
          setting: `${item.title} key_prefix`,
          what: `with that of ${other.title}, keys of two pipelines may be the same: one of these prefixes and a number are the other`,
          where: `${whereOf(other, "keyPrefix")} and ${whereOf(item, "keyPrefix")}`,
          expected: "prefixes of which none begins another; they do not if each ends in / or -",
          found: `${JSON.stringify(two)} and ${JSON.stringify(one)}`
        }
      ]
    })
  )

/** Whether the longer one is the shorter one and the beginning of a key. */
const continues = (shorter: string, longer: string): boolean =>
  longer.length > shorter.length &&
  longer.toLowerCase().startsWith(shorter.toLowerCase()) &&
  /^(?:\d+$|submit:)/i.test(longer.slice(shorter.length))

/** Problems of tables that have the same value where each must have its own. */
const twins = (
  items: ReadonlyArray<Settings.ItemLook>,
  key: "host" | "name" | "key_prefix",
  valueOf: (item: Settings.ItemLook) => string | undefined
): ReadonlyArray<Settings.Problem> => {
  const first = new Map<string, Settings.ItemLook>()
  return items.flatMap((item) => {
    const value = valueOf(item)
    if (value === undefined) return []
    const other = first.get(value.toLowerCase())
    if (other === undefined) {
      first.set(value.toLowerCase(), item)
      return []
    }
    const field = key === "key_prefix" ? "keyPrefix" : key
    return [
      {
        setting: `${item.title} ${key}`,
        what: `the same as that of ${other.title}`,
        where: `${whereOf(other, field)} and ${whereOf(item, field)}`,
        expected: key === "host" ? "each workspace only once" : `a ${key} of its own for each workspace`,
        found: JSON.stringify(value)
      }
    ]
  })
}
