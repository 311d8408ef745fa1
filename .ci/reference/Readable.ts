/**
 * Makes readable what is written with Effect. What TypeScript says of a service is that it extends a type of Effect with the
 * contract in a type argument; what a reader wants is a list of its methods and Layers. Likewise, of an error: its fields. A
 * function made with `Effect.fn` is a value with one rest parameter; shown is a function. A Schema whose type has the same
 * name shows that, and not once more all its fields.
 */
import {
  Comment,
  CommentTag,
  type Context,
  Converter,
  type Application,
  ArrayType,
  type DeclarationReflection,
  IntersectionType,
  IntrinsicType,
  ParameterReflection,
  type Reflection,
  ReferenceType,
  ReflectionFlag,
  ReflectionKind,
  ReflectionType,
  type SignatureReflection,
  type SomeType,
  UnionType
} from "typedoc"

/** Has all that changed before it is grouped and rendered. */
export const install = (app: Application): void => {
  // Before the plugins that sort members into groups.
  app.converter.on(
    Converter.EVENT_RESOLVE_BEGIN,
    (context: Context) => {
      const contracts = contractsOf(context)
      for (const reflection of Object.values(context.project.reflections)) {
        if (
          reflection.isDeclaration() ||
          reflection.isSignature() ||
          reflection instanceof ParameterReflection
        ) {
          if (reflection.type !== undefined) reflection.type = named(context, contracts, reflection.type)
        }
        if (!reflection.isDeclaration()) continue
        if (reflection.kindOf(ReflectionKind.Class)) classOf(context, reflection)
        if (reflection.kindOf(ReflectionKind.Variable)) variable(context, reflection)
      }
    },
    1000
  )
}

/** The services by the place where their contract is written. */
const contractsOf = (context: Context): Contracts =>
  new Map(
    context.project.getReflectionsByKind(ReflectionKind.Class).flatMap((reflection) => {
      const contract = reflection.isDeclaration() ? contractIn(reflection) : undefined
      const place = contract === undefined ? undefined : placeOf(context, contract)
      return place === undefined ? [] : [[place, reflection] as const]
    })
  )

type Contracts = ReadonlyMap<string, Reflection>

const contractIn = (reflection: DeclarationReflection): ReflectionType | undefined =>
  (reflection.extendedTypes ?? [])
    .map((type) =>
      type instanceof ReferenceType && type.name === "Shape" ? type.typeArguments?.[1] : undefined
    )
    .find((type) => type instanceof ReflectionType)

const placeOf = (context: Context, type: ReflectionType): string | undefined => {
  const id = context.project.getSymbolIdFromReflection(type.declaration)
  return id === undefined ? undefined : `${id.packageName}/${id.packagePath}:${id.pos}`
}

/** The same type with `Outbox["Service"]` where the whole contract of a service stands. */
const named = (context: Context, contracts: Contracts, type: SomeType): SomeType => {
  const all = (types: ReadonlyArray<SomeType>) => types.map((each) => named(context, contracts, each))
  if (type instanceof ReflectionType) {
    const service = contracts.get(placeOf(context, type) ?? "")
    if (service === undefined) return type
    context.project.removeTypeReflections(type)
    return ReferenceType.createResolvedReference(`${service.name}["Service"]`, service, context.project)
  }
  if (type instanceof ReferenceType) {
    if (type.typeArguments !== undefined) type.typeArguments = all(type.typeArguments)
  } else if (type instanceof UnionType || type instanceof IntersectionType) type.types = all(type.types)
  else if (type instanceof ArrayType) type.elementType = named(context, contracts, type.elementType)
  return type
}

const classOf = (context: Context, reflection: DeclarationReflection) => {
  const contract = contractIn(reflection)
  for (const member of (contract?.declaration.children ?? []).slice()) {
    contract?.declaration.removeChild(member)
    member.parent = reflection
    reflection.addChild(member)
    group(member, "Service")
  }
  for (const member of (reflection.children ?? []).slice()) {
    const inherited = member.inheritedFrom !== undefined || member.flags.isInherited
    // The fields are listed anyway, and nobody makes a service with `new`.
    if ((inherited && member.kindOf(ReflectionKind.Constructor)) || member.name.startsWith("~")) {
      context.project.removeReflection(member)
      continue
    }
    if (member.flags.isStatic && member.name.startsWith("layer")) group(member, "Layers")
    delete member.inheritedFrom
    delete member.overwrites
    for (const part of [...(member.signatures ?? []), member.getSignature, member.setSignature]) {
      if (part === undefined) continue
      delete part.inheritedFrom
      delete part.overwrites
    }
  }
  delete reflection.extendedTypes
}

const variable = (context: Context, reflection: DeclarationReflection) => {
  const { type } = reflection
  if (
    type instanceof ReflectionType &&
    type.declaration.signatures !== undefined &&
    !type.declaration.children
  ) {
    reflection.kind = ReflectionKind.Function
    reflection.signatures = type.declaration.signatures
    delete type.declaration.signatures
    delete reflection.type
    delete reflection.defaultValue
    reflection.flags.setFlag(ReflectionFlag.Const, false)
    for (const signature of reflection.signatures) {
      signature.name = reflection.name
      signature.parent = reflection
      if (signature.comment === undefined && reflection.comment !== undefined)
        signature.comment = reflection.comment
      signature.parameters = (signature.parameters ?? []).flatMap((parameter) =>
        spread(context, signature, parameter)
      )
    }
    delete reflection.comment
  }
  const namesakes = reflection.parent?.isDeclaration() === true ? (reflection.parent.children ?? []) : []
  if (
    type instanceof ReferenceType &&
    type.toString().length > LONG &&
    namesakes.some((other) => other !== reflection && other.name === reflection.name)
  ) {
    context.project.removeTypeReflections(type)
    type.typeArguments = [new IntrinsicType("…")]
  }
}

/** How many characters a type may have that another page shows already. */
const LONG = 200

/** The parameters that a rest parameter stands for, where it has names for them. */
const spread = (context: Context, signature: SignatureReflection, parameter: ParameterReflection) => {
  const { type } = parameter
  if (!parameter.flags.isRest || type?.type !== "tuple") return [parameter]
  const elements = type.elements.filter((element) => element.type === "namedTupleMember")
  if (elements.length !== type.elements.length) return [parameter]
  return elements.map((element) => {
    const single = new ParameterReflection(element.name, ReflectionKind.Parameter, signature)
    single.type = element.element
    single.flags.setFlag(ReflectionFlag.Optional, element.isOptional)
    context.project.registerReflection(single, undefined, undefined)
    return single
  })
}

const group = (member: DeclarationReflection, name: string) => {
  const part = member.comment ?? member.signatures?.[0]?.comment ?? (member.comment = new Comment())
  part.blockTags.push(new CommentTag("@group", [{ kind: "text", text: name }]))
}
