import * as DatabricksAuth from "@observability-agents/agent-databricks/DatabricksAuth"
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import { uncovered } from "./support/sources.ts"

const decide = (env: Record<string, string>) =>
  DatabricksAuth.decide(DatabricksAuth.fromEnvironment(env), "credentials")

const failure = (env: Record<string, string>) => {
  const found = decide(env)
  return Result.isFailure(found) ? found.failure : undefined
}

const m2m = { DATABRICKS_CLIENT_ID: "c", DATABRICKS_CLIENT_SECRET: "canary" }
const azure = { ARM_CLIENT_ID: "c", ARM_CLIENT_SECRET: "canary", ARM_TENANT_ID: "t" }

describe("DatabricksAuth.decide", () => {
  it.each([
    [{}, undefined],
    [{ DATABRICKS_TOKEN: "canary" }, "pat"],
    [m2m, "oauth-m2m"],
    [azure, "azure-client-secret"],
    [{ DATABRICKS_USERNAME: "u", DATABRICKS_PASSWORD: "canary" }, "basic"],
    // Azure's tools set these for sign-ins without a secret; they tell nothing.
    [{ DATABRICKS_TOKEN: "canary", ARM_CLIENT_ID: "c", ARM_TENANT_ID: "t" }, "pat"],
    [{ DATABRICKS_TOKEN: "canary", DATABRICKS_CLIENT_SECRET: " " }, "pat"],
    [{ DATABRICKS_TOKEN: "canary", ...m2m, DATABRICKS_AUTH_TYPE: "oauth-m2m" }, "oauth-m2m"],
    [{ DATABRICKS_TOKEN: "canary", ...m2m, DATABRICKS_AUTH_TYPE: "PAT" }, "pat"]
  ] as const)("takes %j for %s", (env, kind) => {
    assert.deepStrictEqual(decide(env), Result.succeed(kind))
  })

  it("names both kinds and where each was set, when two are", () => {
    const problem = failure({ DATABRICKS_TOKEN: "canary", ...m2m })
    assert.match(problem?.what ?? "", /more than one kind/)
    assert.strictEqual(
      problem?.where,
      "pat: DATABRICKS_TOKEN; oauth-m2m: DATABRICKS_CLIENT_ID, DATABRICKS_CLIENT_SECRET"
    )
    assert.match(problem?.expected ?? "", /DATABRICKS_AUTH_TYPE.*"pat" or "oauth-m2m"/)
  })

  it("says what is missing of a kind, by attribute and variable", () => {
    const problem = failure({ DATABRICKS_CLIENT_ID: "c" })
    assert.strictEqual(problem?.found, "no client_secret")
    assert.match(problem?.expected ?? "", /client_secret \(DATABRICKS_CLIENT_SECRET\)/)
    assert.match(failure({ ...azure, ARM_TENANT_ID: "" })?.found ?? "", /no azure_tenant_id/)
    assert.match(failure({ DATABRICKS_AUTH_TYPE: "pat" })?.found ?? "", /no token/)
  })

  it.each(["azure-cli", "google-credentials", "databricks-cli", "github-oidc", "azure-msi"])(
    "says of %s that it is not supported, and what is",
    (type) => {
      const problem = failure({ DATABRICKS_AUTH_TYPE: type, DATABRICKS_TOKEN: "canary" })
      assert.match(problem?.what ?? "", /not supported/)
      assert.match(problem?.expected ?? "", /"pat", "oauth-m2m", "azure-client-secret", "basic"/)
      assert.strictEqual(problem?.where, "DATABRICKS_AUTH_TYPE")
      assert.strictEqual(problem?.found, `"${type}"`)
    }
  )

  it("never tells a secret, whatever is set", () => {
    const names = Object.values(DatabricksAuth.variables)
    fc.assert(
      fc.property(fc.subarray(names), fc.boolean(), (set, withType) => {
        const env = Object.fromEntries(set.map((name) => [name, `canary-${name}`]))
        const found = decide(withType ? { ...env, DATABRICKS_AUTH_TYPE: "pat" } : env)
        const told = JSON.stringify(found)
        for (const name of [
          "DATABRICKS_TOKEN",
          "DATABRICKS_CLIENT_SECRET",
          "DATABRICKS_PASSWORD",
          "ARM_CLIENT_SECRET"
        ]) {
          assert.notInclude(told, `canary-${name}`)
        }
      })
    )
  })
})

describe("DatabricksAuth.credentials", () => {
  it("asks Entra for the one application that all workspaces are, in the cloud of the workspace", () => {
    const of = (host: string, env: Record<string, string> = {}) =>
      uncovered(
        DatabricksAuth.credentials(
          "azure-client-secret",
          DatabricksAuth.fromEnvironment({ ...azure, ...env }),
          host
        ) ?? {}
      )
    assert.deepStrictEqual(of("https://adb-1.2.azuredatabricks.net"), {
      _tag: "AzureServicePrincipal",
      clientId: "c",
      clientSecret: "canary",
      tenantId: "t",
      scope: "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d/.default",
      authority: "https://login.microsoftonline.com"
    })
    assert.strictEqual(
      of("https://adb-1.2.databricks.azure.us")["authority"],
      "https://login.microsoftonline.us"
    )
    assert.strictEqual(
      of("https://adb-1.2.databricks.azure.cn")["authority"],
      "https://login.chinacloudapi.cn"
    )
    assert.strictEqual(
      of("https://x.example", { ARM_ENVIRONMENT: "USGovernment" })["authority"],
      "https://login.microsoftonline.us"
    )
    assert.strictEqual(
      of("https://adb-1.2.databricks.azure.cn", { ARM_ENVIRONMENT: "public" })["authority"],
      "https://login.microsoftonline.com"
    )
  })

  it("asks the workspace itself for the tokens of a Databricks service principal", () => {
    const found = DatabricksAuth.credentials(
      "oauth-m2m",
      DatabricksAuth.fromEnvironment(m2m),
      "https://x.example"
    )
    assert.deepStrictEqual(uncovered(found ?? {}), {
      _tag: "OAuthClient",
      clientId: "c",
      clientSecret: "canary",
      tokenUrl: "https://x.example/oidc/v1/token",
      scope: "all-apis"
    })
  })
})
