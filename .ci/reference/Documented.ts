/** Looks whether everything that a module exports says what it is for. */
import { type DeclarationReflection, type ProjectReflection, type Reflection, ReflectionKind } from "typedoc"

/** What has no docstring: exports of modules, and the methods of services. */
export const problems = (project: ProjectReflection): ReadonlyArray<string> =>
  project.getReflectionsByKind(ReflectionKind.Module).flatMap((module) => {
    if (!module.isDeclaration()) return []
    const children = module.children ?? []
    const missing = module.hasComment()
      ? []
      : [`${module.name}: the module has no comment that says what it is for`]
    const documented = new Set(children.filter(says).map(({ name }) => name))
    for (const child of children) {
      // A type and its constructor, or its Schema, are one thing for the reader, and so is what is exported elsewhere.
      if (!documented.has(child.name) && !child.isReference())
        missing.push(`${module.name}: ${child.name} has no docstring`)
      if (!child.kindOf(ReflectionKind.Class)) continue
      for (const member of child.children ?? []) {
        if (member.flags.isStatic || grouped(member)) {
          if (!says(member)) missing.push(`${module.name}: ${child.name}.${member.name} has no docstring`)
        }
      }
    }
    return missing
  })

const says = (reflection: DeclarationReflection): boolean =>
  [reflection, ...(reflection.signatures ?? []), reflection.getSignature, ...typeSignatures(reflection)].some(
    (part?: Reflection) => part?.comment?.hasVisibleComponent() === true
  )

const typeSignatures = (reflection: DeclarationReflection): ReadonlyArray<Reflection> =>
  reflection.type?.type === "reflection" ? (reflection.type.declaration.signatures ?? []) : []

const grouped = (member: DeclarationReflection): boolean => member.comment?.getTag("@group") !== undefined
