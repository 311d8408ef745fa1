import { assert, describe, it } from "@effect/vitest"
import * as KnownSecrets from "../src/KnownSecrets.ts"

describe("KnownSecrets", () => {
  it("masks what it knows by now, through a function that was handed out before", () => {
    const secrets = KnownSecrets.make()
    const { mask } = secrets
    assert.strictEqual(mask("first-secret"), "first-secret")
    secrets.know(new Set(["first-secret"]))
    secrets.learn("access-token")
    assert.strictEqual(mask("first-secret and access-token"), "******** and ********")
  })

  it("goes on masking the secrets of earlier readings, and forgets the oldest of very many", () => {
    const secrets = KnownSecrets.make()
    for (let reading = 1; reading <= 17; reading++) secrets.know(new Set([`secret-of-reading-${reading}.`]))
    assert.strictEqual(secrets.mask("secret-of-reading-2. secret-of-reading-17."), "******** ********")
    assert.strictEqual(secrets.mask("secret-of-reading-1."), "secret-of-reading-1.")
    for (let token = 1; token <= 65; token++) secrets.learn(`token-number-${token}.`)
    assert.strictEqual(secrets.mask("token-number-2. token-number-65."), "******** ********")
    assert.strictEqual(secrets.mask("token-number-1."), "token-number-1.")
    assert.strictEqual(secrets.mask("secret-of-reading-17."), "********")
  })

  it("leaves short ones alone, which any text may hold", () => {
    const secrets = KnownSecrets.make()
    secrets.know(new Set(["abc"]))
    secrets.learn("of")
    assert.strictEqual(secrets.mask("abc of"), "abc of")
  })
})
