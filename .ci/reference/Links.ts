/**
 * Looks whether every link of the finished pages leads to a file. TypeDoc does not see links that stand behind a code block in
 * which three backticks occur, as in a comment with an example of its own: those of the guides are mended here, and those to
 * folders are taken away.
 */
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { basename, dirname, join, normalize, relative, resolve } from "node:path"

/** Mends what can be, and tells what leads nowhere. `pages` are the guides: the HTML of each Markdown file. */
export const mend = (site: string, pages: ReadonlyMap<string, string>): ReadonlyArray<string> => {
  const sources = new Map(Array.from(pages, ([source, page]) => [page, source]))
  return globSync("**/*.html", { cwd: site }).flatMap((path) => {
    const page = normalize(path)
    const file = join(site, page)
    const text = readFileSync(file, "utf8")
    const problems: Array<string> = []
    const mended = text.replaceAll(
      /(href|src)="(?!\w+:|#)([^"#?]+)([^"]*)"/g,
      (all: string, attribute: string, link: string, rest: string) => {
        if (existsSync(resolve(dirname(file), decodeURIComponent(link)))) return all
        const source = sources.get(page)
        const target = source === undefined ? undefined : resolve(dirname(source), decodeURIComponent(link))
        const found = target === undefined ? undefined : (pages.get(target) ?? copy(site, target))
        // A folder is no page, and not copied: what names it stays text. That it is there checks docs.ts.
        if (/^(\.\.\/)?media\//.test(link)) return ""
        if (found !== undefined) return `${attribute}="${relative(dirname(page), found)}${rest}"`
        problems.push(`${source ?? page}: a link that leads nowhere: ${link}`)
        return all
      }
    )
    if (mended !== text) writeFileSync(file, mended)
    return problems
  })
}

const copy = (site: string, target: string): string | undefined => {
  if (!existsSync(target) || !statSync(target).isFile()) return undefined
  const place = join("media", basename(target))
  mkdirSync(join(site, "media"), { recursive: true })
  cpSync(target, join(site, place))
  return place
}
