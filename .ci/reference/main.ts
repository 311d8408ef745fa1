/**
 * Makes the API reference: a folder of HTML with every module of the packages and every page of the documentation. What has
 * no docstring, and what links nowhere, is an error; then nothing is written.
 *
 * The sources are read as they are. TypeDoc takes the first comment of a file for the module's only where a tag says so;
 * as the house style puts that comment into every file, the tag is put in on the way.
 */
import { existsSync, readdirSync, rmSync } from "node:fs"
import { join, relative, resolve } from "node:path"
import {
  Application,
  CommentTag,
  Converter,
  type DeclarationReflection,
  type DocumentReflection,
  ReflectionKind
} from "typedoc"
import { ReferenceTheme } from "./ReferenceTheme.ts"
import ts from "typescript"
import * as Documented from "./Documented.ts"
import * as Links from "./Links.ts"
import * as Readable from "./Readable.ts"
import * as Sources from "./Sources.ts"

const root = resolve(import.meta.dirname, "../..")
// TypeDoc names modules and pages by their paths from here on.
const base = root
const out = resolve(root, process.argv[2] ?? "site")
// The folder is emptied before it is written: nothing that somebody named by mistake is to be lost.
if (existsSync(out) && readdirSync(out).length > 0 && !existsSync(join(out, "assets", "navigation.js"))) {
  process.stderr.write(
    `${out}: is a folder with something else than an API reference in it. Name a new one, or an empty one.\n`
  )
  process.exit(1)
}
const { packages, problems } = Sources.packages(root)
const modules = packages.flatMap(({ modules }) => modules)
const byFile = new Map(modules.map((module) => [module.file, module]))
const readFile = ts.sys.readFile.bind(ts.sys)
ts.sys.readFile = (path, encoding) => {
  const text = readFile(path, encoding)
  const module = byFile.get(path)
  if (text === undefined || module === undefined) return text
  if (!text.startsWith("/**"))
    problems.push(`${relative(root, path)}: does not begin with a comment that says what it is for`)
  // On the line where the comment ends, so that no other line moves.
  return text.replace(
    /\n?[ ]*\*\/\n/,
    (end) => `${end.startsWith("\n") ? "\n *" : ""} @packageDocumentation */\n`
  )
}

const app = await Application.bootstrap({
  name: "Observability Agents",
  entryPoints: modules.map(({ file }) => file),
  projectDocuments: [...Sources.pages(root)],
  readme: join(root, "README.md"),
  tsconfig: join(root, "tsconfig.base.json"),
  basePath: base,
  // Types are checked by `npm run types`, with the compiler of the project.
  skipErrorChecking: true,
  disableSources: true,
  disableGit: true,
  excludeExternals: true,
  excludePrivate: true,
  hideGenerator: true,
  includeVersion: true,
  useFirstParagraphOfCommentAsSummary: true,
  validation: {
    notExported: true,
    invalidLink: true,
    // Links.ts looks at all of them.
    invalidPath: false,
    notDocumented: false,
    rewrittenLink: true
  },
  treatWarningsAsErrors: true,
  navigation: { includeCategories: false, includeGroups: false, includeFolders: true, compactFolders: false },
  highlightLanguages: [
    "ts",
    "js",
    "json",
    "toml",
    "sh",
    "yaml",
    "python",
    "docker",
    "ini",
    "mermaid",
    "html",
    "sql"
  ],
  githubPages: false,
  sort: ["source-order"],
  groupOrder: [
    "Guides",
    "Packages",
    ...packages.flatMap(({ modules }) => modules.filter(({ listed }) => listed).map(Sources.groupOf)),
    ...packages.flatMap(({ modules }) => modules.filter(({ listed }) => !listed).map(Sources.groupOf)),
    "Decisions",
    "Service",
    "Layers",
    "*"
  ],
  searchInDocuments: true,
  searchInComments: true
})
ReferenceTheme.packages = packages
app.renderer.defineTheme("reference", ReferenceTheme)
app.options.setValue("theme", "reference")

Readable.install(app)
app.converter.on(Converter.EVENT_CREATE_DECLARATION, (_context, reflection: DeclarationReflection) => {
  if (!reflection.kindOf(ReflectionKind.Module)) return
  const module = byFile.get(join(base, `${reflection.name}.ts`))
  if (module === undefined) problems.push(`${reflection.name}: a module that no package has`)
  else reflection.name = module.name
})
app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_context, document: DocumentReflection) => {
  document.name = Sources.title(join(base, `${document.name}.md`))
  document.frontmatter["group"] = Sources.group(document.name)
})

app.converter.on(
  Converter.EVENT_RESOLVE_BEGIN,
  (context) => {
    for (const reflection of context.project.getReflectionsByKind(ReflectionKind.Module)) {
      const module = modules.find(({ name }) => name === reflection.name)
      if (module !== undefined)
        reflection.comment?.blockTags.push(
          new CommentTag("@group", [{ kind: "text", text: Sources.groupOf(module) }])
        )
    }
  },
  1000
)

const project = await app.convert()
if (project === undefined) process.exit(1)
const [start] = project.readme ?? []
// The title stands above it already.
if (start !== undefined) start.text = start.text.replace(/^\s*# .+\n/, "")
app.validate(project)
problems.push(...Documented.problems(project))
for (const problem of problems) process.stderr.write(`${problem}\n`)
if (app.logger.hasErrors() || app.logger.hasWarnings() || problems.length > 0) process.exit(1)
rmSync(out, { recursive: true, force: true })
await app.generateDocs(project, out)

const pages = new Map([[join(root, "README.md"), "index.html"]])
for (const file of Sources.pages(root)) {
  const page = ReferenceTheme.pages.get(Sources.title(file))
  if (page !== undefined) pages.set(file, page)
}
const broken = Links.mend(out, pages)
for (const problem of broken) process.stderr.write(`${problem}\n`)
process.exitCode = app.logger.hasErrors() || app.logger.hasWarnings() || broken.length > 0 ? 1 : 0
