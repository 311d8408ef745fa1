import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Secrecy from "../src/Secrecy.ts"

const secret = `cAn "ry'/+?&<ü> 100%`

describe("Secrecy.hide", () => {
  it.each([
    ["plain", secret],
    ["in JSON", JSON.stringify({ said: secret })],
    ["in JSON with escaped slashes", JSON.stringify(secret).replaceAll("/", "\\/")],
    ["in a path", encodeURIComponent(secret)],
    [
      "in a path, lower case",
      encodeURIComponent(secret).replaceAll(/%[0-9A-F]{2}/g, (each) => each.toLowerCase())
    ],
    ["in an address", encodeURI(secret)],
    ["in a form", new URLSearchParams({ password: secret }).toString()],
    ["in HTML", "cAn &quot;ry&#39;/+?&amp;&lt;ü&gt; 100%"],
    ["in base64", Buffer.from(secret).toString("base64")],
    ["in base64 for addresses", Buffer.from(secret).toString("base64url")],
    ["in encoded base64", encodeURIComponent(Buffer.from(secret).toString("base64"))],
    ["in JSON within JSON", JSON.stringify(JSON.stringify({ said: secret }))],
    [
      "in JSON as Go and Java write it",
      JSON.stringify(secret).replaceAll("<", "\\u003c").replaceAll("'", "\\u0027")
    ],
    ["as Python shows a text", `'${secret.replaceAll("'", "\\'")}'`],
    ["in an address within an address", encodeURIComponent(encodeURIComponent(secret))],
    ["in an address as browsers write it", new URL(`http://a/?t=${encodeURIComponent(secret)}`).search]
  ])("masks a secret %s", (_, form) => {
    const shown = Secrecy.hide(`before ${form} after`, [secret])
    assert.include(shown, Secrecy.MASK)
    assert.match(shown, /^before .* after$/)
    for (const part of ["cAn", "100", "eSBu", "MTAw"]) assert.notInclude(shown, part)
  })

  it("masks user and password as HTTP Basic sends them", () => {
    const basic = Buffer.from("user:pass-word").toString("base64")
    assert.strictEqual(
      Secrecy.hide(`Authorization: Basic ${basic}`, ["user:pass-word"]),
      `Authorization: Basic ${Secrecy.MASK}${/=*$/.exec(basic)?.[0] ?? ""}`
    )
  })

  it.each([0, 1, 2, 3])(
    "masks a secret behind %i other characters that were put into base64 with it",
    (length) => {
      const pair = `${"user".slice(0, length)}:${secret}:more`
      for (const encoding of ["base64", "base64url"] as const) {
        const shown = Secrecy.hide(Buffer.from(pair).toString(encoding), [secret])
        assert.include(shown, Secrecy.MASK)
        const bytes = shown.split(Secrecy.MASK).map((part) => Buffer.from(part, encoding).toString())
        for (const part of ["cAn", "100"]) assert.notInclude(bytes.join(""), part)
      }
    }
  )

  it("is quick with answers that were made to keep it busy", () => {
    const long = ["\\", "%25", "&amp;", "cAn ", `cAn "`].map((text) => text.repeat(100_000))
    for (const text of long) assert.isAtLeast(Secrecy.hide(text, [secret, `"${secret}`]).length, 1)
  }, 2000)

  it("leaves nothing of secrets that contain, overlap or follow each other", () => {
    assert.strictEqual(Secrecy.hide("abcdefgh", ["abcd", "abcdefgh"]), Secrecy.MASK)
    assert.strictEqual(Secrecy.hide("-abcdef-", ["abcd", "cdef"]), `-${Secrecy.MASK}-`)
    assert.strictEqual(Secrecy.hide("abcdabcd.abcd", ["abcd"]), `${Secrecy.MASK}.${Secrecy.MASK}`)
  })

  it("leaves texts without secrets and secrets that are too short as they are", () => {
    assert.strictEqual(Secrecy.hide("the key is abc", ["abc", ""]), "the key is abc")
    assert.strictEqual(Secrecy.hide("nothing here", [secret]), "nothing here")
    assert.strictEqual(Secrecy.hide("nothing here", []), "nothing here")
  })

  it("leaves no secret in any text, and all else as it was", () =>
    fc.assert(
      fc.property(
        fc.array(fc.string({ minLength: 4, unit: fc.constantFrom("a", "b", "%", '"', "\ud800") }), {
          maxLength: 3
        }),
        fc.array(fc.string({ unit: fc.constantFrom("a", "b", "%", '"', "-") })),
        (secrets, parts) => {
          const text = parts.flatMap((part, n) => [part, secrets[n] ?? ""]).join("-")
          const shown = Secrecy.hide(text, secrets)
          for (const each of secrets) assert.notInclude(shown, each)
          assert.isAtMost(shown.replaceAll(Secrecy.MASK, "").length, text.length)
          if (secrets.every((each) => !text.includes(each))) assert.strictEqual(shown, text)
        }
      )
    ))
})

describe("Secrecy.hideAuthorization", () => {
  it.each([
    ["Authorization: Bearer dapi-1.2_3~4+5/6==", `Authorization: Bearer ${Secrecy.MASK}`],
    ["{'Authorization': 'basic dXNlcjpwYXNz'}", `{'Authorization': 'basic ${Secrecy.MASK}'}`],
    ["Bearer%20abc123 is unknown", `Bearer%20${Secrecy.MASK} is unknown`],
    ["Bearer token-abc", `Bearer ${Secrecy.MASK}`],
    ["bearer token.abc", `bearer ${Secrecy.MASK}`],
    ["ServiceAccountAuthenticationKey: abc.def", `ServiceAccountAuthenticationKey: ${Secrecy.MASK}`],
    [
      '{"serviceaccountauthenticationkey":"abc","host":"h"}',
      `{"serviceaccountauthenticationkey":"${Secrecy.MASK}","host":"h"}`
    ],
    [
      "('HTTP_SERVICEACCOUNTAUTHENTICATIONKEY', 'abc')",
      `('HTTP_SERVICEACCOUNTAUTHENTICATIONKEY', '${Secrecy.MASK}')`
    ],
    [
      '{\\"ServiceAccountAuthenticationKey\\": \\"abc\\"}',
      `{\\"ServiceAccountAuthenticationKey\\": \\"${Secrecy.MASK}\\"}`
    ]
  ])("masks the credentials in %s", (text, shown) => {
    assert.strictEqual(Secrecy.hideAuthorization(text), shown)
  })

  it.each([
    "Bearer token is missing.",
    "Basic authentication failed",
    'Bearer realm="DataKitchen", error="invalid_token"',
    "The header ServiceAccountAuthenticationKey is missing",
    "the forbearer came"
  ])("leaves the sentence %j as it is", (text) => {
    assert.strictEqual(Secrecy.hideAuthorization(text), text)
  })
})
