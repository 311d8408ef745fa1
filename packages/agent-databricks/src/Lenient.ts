/**
 * Schemas for what a service sends: a field that is missing, `null`, or of another type than is known, must not hide the rest
 * of a record. Their encoded side is what the service writes when it keeps to its own description.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"

/** A field that may be missing; `null` is read as missing. */
export const nullable = <S extends Schema.Constraint>(schema: S) =>
  Schema.optionalKey(Schema.NullOr(schema)).pipe(
    Schema.decodeTo(Schema.optionalKey(Schema.toType(schema)), {
      decode: SchemaGetter.transformOptional(Option.filter(Predicate.isNotNull)),
      encode: SchemaGetter.passthroughSupertype()
    })
  )

/** A field that may be missing; what is not of its type is read as missing, too. */
export const forgiving = <S extends Schema.Constraint>(schema: S) =>
  Schema.optionalKey(schema).pipe(Schema.catchDecoding(() => Effect.succeedNone))

/** A 64-bit id: a number or text on the wire, text here, so that no digit is lost. */
export const Id = Schema.Union([Schema.NonEmptyString, Schema.Int]).pipe(
  Schema.decodeTo(Schema.NonEmptyString, {
    decode: SchemaGetter.transform(String),
    encode: SchemaGetter.passthrough()
  })
)

/** A count, or a time span in milliseconds: a number, or its digits as text. */
export const Quantity = Schema.Union([Schema.Finite, Schema.FiniteFromString])
