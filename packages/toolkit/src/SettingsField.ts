/**
 * The fields that sections of settings are made of: one constructor for each type of value. A field knows how
 * its value is read, how its type is told to people, and under which other names it may be given. Sections take
 * them from the module Settings, where they are exported for use.
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type Bounds, boundsSchema, boundsText, within } from "./SettingsBounds.ts"
import * as Text from "./SettingsText.ts"

export type { Bounds } from "./SettingsBounds.ts"

/** One setting of type `A`. */
export interface Field<out A> {
  /** What it is for, in one or two sentences. */
  readonly description: string
  /** Its type in words, e.g. `a number of seconds above 0`. */
  readonly expected: string
  /**
   * Reads a value. Fails with what is wrong in words, or with undefined when `expected` says it all; the words
   * may hold parts of the value unless the field is secret.
   */
  readonly decode: (raw: Text.Raw) => Result.Result<A, string | undefined>
  /** Tells a given value in a report or listing. Never called for a secret. */
  readonly show: (raw: Text.Raw) => string
  /** The value when nothing is set; none for a required field. */
  readonly fallback: Option.Option<A>
  /** The default in words for the reference; empty when there is none. */
  readonly defaultText: string
  /** A secret is never shown, and may be given by a file that is named in a `…_FILE` variable. */
  readonly secret: boolean
  /** Key in the table; without it the property's name in snake_case. */
  readonly key: string | undefined
  /** Older names in the file: `key` (same table) or `table.key`. */
  readonly aliases: ReadonlyArray<string>
  /**
   * Further variables by their full names. Those that begin with `DK_` are older names. The others belong to the tool's own
   * programs (`DATABRICKS_HOST`): they hold where neither the file nor a variable `DK_…` sets the field, and are
   * read exactly as they are written here, as those programs read them.
   */
  readonly variables: ReadonlyArray<string>
  /** A value as an example, for reports and the reference. */
  readonly example: string | undefined
  /** Whether empty text in the settings file is a value. It counts as not set otherwise, and always in a variable. */
  readonly emptyIsValue?: boolean | undefined
  /** What the settings file may hold, as JSON Schema; with the default, if there is one. */
  readonly schema: JsonSchema
  /** The fields of each table, where the value is a list of tables (see `Settings.tables`). */
  readonly inner: Readonly<Record<string, Field<unknown>>> | undefined
}

/** A JSON Schema (draft 2020-12), or a part of one. */
export type JsonSchema = Readonly<Record<string, unknown>>

/** Options that every field takes. Without `default` a field is required, unless it is made {@link optional}. */
export interface FieldOptions<A> {
  readonly description: string
  readonly default?: A
  readonly aliases?: ReadonlyArray<string>
  readonly variables?: ReadonlyArray<string>
  readonly example?: string
  readonly key?: string
}

/** Any text, as it is. Empty text counts as not set, in the file as in the environment. */
export const string = (options: FieldOptions<string>): Field<string> =>
  make(options, {
    expected: "text",
    schema: { type: "string" },
    decode: (raw) => (typeof raw === "string" ? Result.succeed(raw) : refuse),
    defaultText: quote
  })

/** Text of which something is left when it is trimmed; the value is trimmed. `maxLength` counts characters after that. */
export const nonEmptyString = (
  options: FieldOptions<string> & { readonly maxLength?: number }
): Field<string> => {
  const { maxLength } = options
  return make(options, {
    schema: { type: "string", ...(maxLength === undefined ? {} : { maxLength }) },
    expected: maxLength === undefined ? "text that is not blank" : `text of 1 to ${maxLength} characters`,
    decode: (raw) => {
      if (typeof raw !== "string" || raw.trim() === "") return refuse
      const text = raw.trim()
      // Characters, not the halves of which some consist: that is how servers and databases count.
      const length = Array.from(text).length
      return maxLength === undefined || length <= maxLength
        ? Result.succeed(text)
        : Result.fail(`it has ${length} characters`)
    },
    defaultText: quote
  })
}

/**
 * A secret text: never shown, and may be given by a file named in the variable `…_FILE`. Line breaks at its end,
 * which editors and `echo` leave in files, are dropped.
 */
export const secret = (options: Omit<FieldOptions<string>, "default">): Field<Redacted.Redacted> =>
  make<Redacted.Redacted>(options, {
    expected: "a secret text",
    schema: { type: "string" },
    secret: true,
    decode: (raw) => {
      if (typeof raw !== "string") return refuse
      const text = raw.replace(/[\r\n]+$/, "")
      return text.trim() === "" ? refuse : Result.succeed(Redacted.make(text))
    },
    defaultText: () => ""
  })

/** True or false. */
export const boolean = (options: FieldOptions<boolean>): Field<boolean> =>
  make(options, {
    expected: "true or false",
    schema: { type: "boolean" },
    decode: (raw) => orRefuse(Text.toBoolean(raw)),
    defaultText: String
  })

/** A whole number. */
export const integer = (options: FieldOptions<number> & Bounds): Field<number> =>
  make(options, {
    expected: `a whole number${boundsText(options)}`,
    schema: { type: "integer", ...boundsSchema(options) },
    decode: (raw) => {
      const value = Text.toNumber(raw)
      return value !== undefined && Number.isSafeInteger(value) && within(options, value)
        ? Result.succeed(value)
        : refuse
    },
    defaultText: String
  })

/** A number. */
export const number = (options: FieldOptions<number> & Bounds): Field<number> =>
  make(options, {
    expected: `a number${boundsText(options)}`,
    schema: { type: "number", ...boundsSchema(options) },
    decode: (raw) => {
      const value = Text.toNumber(raw)
      return value !== undefined && within(options, value) ? Result.succeed(value) : refuse
    },
    defaultText: String
  })

/**
 * A span of time, given as a number of seconds or as text like `5 minutes` or `1h 30m`; never negative. `default`
 * and the bounds are in seconds.
 */
export const seconds = (options: FieldOptions<number> & Bounds): Field<Duration.Duration> => {
  const { default: initial, ...others } = options
  const bounds = { ...(options.exclusiveMinimum === undefined ? { min: 0 } : {}), ...options }
  return make<Duration.Duration>(
    { ...others, ...(initial === undefined ? {} : { default: Duration.millis(initial * 1000) }) },
    {
      expected: `a number of seconds${boundsText(options)}, or a span such as "5 minutes"`,
      schema: {
        anyOf: [
          { type: "number", ...boundsSchema(bounds) },
          { type: "string", pattern: Text.SPAN_PATTERN }
        ]
      },
      toJson: Duration.toSeconds,
      decode: (raw) => {
        const value = Text.toDuration(raw)
        return value !== undefined && within(options, Duration.toSeconds(value))
          ? Result.succeed(value)
          : refuse
      },
      defaultText: (value) => String(Duration.toSeconds(value))
    }
  )
}

/**
 * An address beginning with `http://` or `https://`, without user and password (these would show in logs). The value
 * is its text without slashes at the end, ready to be put in front of a path.
 */
export const url = (options: FieldOptions<string>): Field<string> =>
  make(options, {
    expected: "an address that begins with https:// or http://",
    schema: { type: "string", pattern: "^\\s*[Hh][Tt][Tt][Pp][Ss]?://" },
    decode: (raw) => {
      if (typeof raw !== "string") return refuse
      const text = raw.trim()
      if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return refuse
      const parsed = new URL(text)
      if (parsed.username !== "" || parsed.password !== "") {
        return Result.fail("user and password must not stand in the address")
      }
      if (parsed.search !== "" || parsed.hash !== "")
        return Result.fail("the address must end before any ? or #")
      return Result.succeed(text.replace(/\/+$/, ""))
    },
    defaultText: String
  })

/** One of some words; upper and lower case do not matter, the value is the word as it stands in the list. */
export const literals = <const L extends string>(
  words: ReadonlyArray<L>,
  options: FieldOptions<L>
): Field<L> =>
  make<L>(options, {
    schema: { type: "string", enum: words },
    expected: words.length === 1 ? quote(words.join("")) : `one of ${words.map(quote).join(", ")}`,
    decode: (raw) => {
      if (typeof raw !== "string") return refuse
      const text = raw.trim().toLowerCase()
      const found = words.find((word) => word.toLowerCase() === text)
      if (found !== undefined) return Result.succeed(found)
      const meant = Text.nearest(text, words)
      return Result.fail(meant === undefined ? undefined : `did you mean ${quote(meant)}?`)
    },
    defaultText: quote
  })

/**
 * A list. In the file a list; in a variable a JSON array, or items separated by commas. Each item is decoded by `item`
 * from text (numbers in lists are texts of numbers); `items` says in words what the items are.
 */
export const list = <A>(
  item: Schema.Codec<A, string>,
  options: FieldOptions<ReadonlyArray<A>> & { readonly items?: string }
): Field<ReadonlyArray<A>> => {
  const decodeItem = Schema.decodeUnknownResult(item)
  return make<ReadonlyArray<A>>(options, {
    expected: `a list of ${options.items ?? "texts"} (in a variable: JSON, or separated by commas)`,
    schema: { type: "array", items: { type: ["string", "number"] } },
    toJson: (values) => values.map((value) => encoded(item, value)),
    decode: (raw) => {
      const items = Text.toItems(raw)
      if (items === undefined) return refuse
      const out: Array<A> = []
      for (const [index, value] of items.entries()) {
        const decoded = decodeItem(value)
        if (Result.isFailure(decoded)) return Result.fail(`item ${index + 1} is not accepted`)
        out.push(decoded.success)
      }
      return Result.succeed(out)
    },
    defaultText: (values) =>
      values.length === 0 ? "none" : values.map((value) => encoded(item, value)).join(", ")
  })
}

/** Texts by name. In the file a table; in a variable a JSON object, or `name=value` separated by commas. */
export const record = (
  options: FieldOptions<Readonly<Record<string, string>>> & { readonly secret?: boolean }
): Field<Readonly<Record<string, string>>> =>
  make(options, {
    secret: options.secret === true,
    expected: "a table of texts (in a variable: JSON, or name=value separated by commas)",
    schema: { type: "object", additionalProperties: { type: ["string", "number", "boolean"] } },
    decode: (raw) => orRefuse(Text.toEntries(raw)),
    // By names alone, however it was given: what stands in a table can be anything.
    show: (raw) => {
      const table = Text.toEntries(raw) ?? raw
      return Text.isTable(table) ? Text.show(table) : "something that is not a table of texts"
    },
    defaultText: (values) =>
      Object.keys(values).length === 0
        ? "none"
        : Object.entries(values)
            .map(([name, value]) => `${name}=${value}`)
            .join(", ")
  })

/** Whatever a schema decodes from text; `expected` is its type in words. */
export const of = <A>(
  schema: Schema.Codec<A, string>,
  options: FieldOptions<A> & { readonly expected: string; readonly secret?: boolean }
): Field<A> => {
  const decode = Schema.decodeUnknownResult(schema)
  return make<A>(options, {
    expected: options.expected,
    secret: options.secret === true,
    schema: { type: ["string", "number", "boolean"] },
    toJson: (value) => {
      const text = encoded(schema, value)
      return Text.toNumber(text) ?? text
    },
    decode: (raw) => Result.mapError(decode(raw), () => undefined),
    defaultText: (value) => (options.secret === true ? "" : encoded(schema, value))
  })
}

/** The same field, but not required: its value is undefined when nothing is set. */
export const optional = <A>(field: Field<A>): Field<A | undefined> => {
  const { default: _, ...schema } = field.schema
  return { ...field, fallback: Option.some(undefined), defaultText: "", schema }
}

/** The same field with its value (and its default) in another form. */
export const map = <A, B>(field: Field<A>, f: (value: A) => B): Field<B> => ({
  ...field,
  decode: (raw) => Result.map(field.decode(raw), f),
  fallback: Option.map(field.fallback, f)
})

const make = <A>(
  options: Omit<FieldOptions<NoInfer<A>>, "default"> & { readonly default?: A },
  type: {
    readonly expected: string
    readonly decode: (raw: Text.Raw) => Result.Result<A, string | undefined>
    readonly schema: JsonSchema
    readonly defaultText: (value: A) => string
    /** The default as the settings file would have it; without this, it is the value itself. */
    readonly toJson?: (value: A) => unknown
    readonly show?: (raw: Text.Raw) => string
    readonly secret?: boolean
  }
): Field<A> => ({
  description: options.description,
  expected: type.expected,
  decode: type.decode,
  show: type.show ?? Text.show,
  fallback: options.default === undefined ? Option.none() : Option.some(options.default),
  defaultText: options.default === undefined ? "" : type.defaultText(options.default),
  secret: type.secret === true,
  key: options.key,
  aliases: options.aliases ?? [],
  variables: options.variables ?? [],
  example: options.example,
  schema:
    options.default === undefined || type.secret === true
      ? type.schema
      : { ...type.schema, default: type.toJson?.(options.default) ?? options.default },
  inner: undefined
})

const refuse: Result.Result<never, string | undefined> = Result.fail(undefined)

const orRefuse = <A>(value: A | undefined): Result.Result<A, string | undefined> =>
  value === undefined ? refuse : Result.succeed(value)

const quote = (text: string): string => JSON.stringify(text)

const encoded = <A>(schema: Schema.Codec<A, string>, value: A): string =>
  Option.getOrElse(Schema.encodeOption(schema)(value), () => "")
