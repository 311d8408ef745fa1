/**
 * TypeDoc's own theme with another navigation: guides, then the packages with their modules, then what those are made of, then
 * decisions.
 */
import {
  DefaultTheme,
  type NavigationElement,
  type ProjectReflection,
  type Reflection,
  ReflectionKind
} from "typedoc"
import type { Package } from "./Sources.ts"

/** The theme of the reference. */
export class ReferenceTheme extends DefaultTheme {
  /** What is shown, lowest package first. */
  static packages: ReadonlyArray<Package> = []
  /** Where each page of the documentation was put, by its title. */
  static readonly pages: Map<string, string> = new Map()

  override buildNavigation(project: ProjectReflection): Array<NavigationElement> {
    const elements = new Map(flat(super.buildNavigation(project)).map((element) => [element.path, element]))
    const entry = (reflection: Reflection, text: string): NavigationElement => {
      const path = this.router.getFullUrl(reflection)
      const element = { ...elements.get(path), text, path }
      // A page has none: what stands there are modules whose names begin as its own does.
      if (reflection.isDocument()) delete element.children
      return element
    }
    const documents = project
      .getReflectionsByKind(ReflectionKind.Document)
      .filter((page) => page.isDocument())
    for (const page of documents) ReferenceTheme.pages.set(page.name, this.router.getFullUrl(page))
    const guides = documents.filter(({ frontmatter }) => frontmatter["group"] === "Guides")
    const modules = new Map(
      project.getReflectionsByKind(ReflectionKind.Module).map((module) => [module.name, module])
    )
    const folder = (text: string, children: ReadonlyArray<NavigationElement>): NavigationElement => ({
      text,
      children: [...children]
    })
    return [
      folder(
        "Guides",
        guides.map((page) => entry(page, page.name))
      ),
      ...ReferenceTheme.packages.map(({ name, modules: all }) => {
        const shown = (listed: boolean) =>
          all.flatMap((module) => {
            const reflection = modules.get(module.name)
            const text = module.name.slice(name.length + 1)
            return reflection === undefined || module.listed !== listed ? [] : [entry(reflection, text)]
          })
        const readme = documents.find((document) => document.name === name)
        const parts = shown(false)
        return folder(name.replace(/^@[^/]+\//, ""), [
          ...(readme === undefined ? [] : [entry(readme, "About the package")]),
          ...shown(true),
          ...(parts.length === 0 ? [] : [folder("Parts of these", parts)])
        ])
      }),
      folder(
        "Decisions",
        documents
          .filter(({ frontmatter }) => frontmatter["group"] === "Decisions")
          .map((page) => entry(page, page.name))
      )
    ]
  }
}

const flat = (elements: ReadonlyArray<NavigationElement>): ReadonlyArray<NavigationElement> =>
  elements.flatMap((element) => [element, ...flat(element.children ?? [])])
