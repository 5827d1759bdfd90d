import * as fs from "node:fs"
import * as path from "node:path"
import { withMermaid } from "vitepress-plugin-mermaid"

const docs = path.resolve(import.meta.dirname, "..")
const titleOf = (file) => /^# (.+)$/m.exec(fs.readFileSync(path.join(docs, file), "utf8"))?.[1] ?? file
const page = (name) => ({ text: titleOf(`${name}.md`), link: name === "index" ? "/" : `/${name}` })

/** The pages of a folder: those that are named first, in that order, the others by name. */
const folder = (name, ...first) => {
  const all = fs
    .readdirSync(path.join(docs, name))
    .filter((file) => file.endsWith(".md"))
    .map((file) => file.replace(/\.md$/, ""))
  const others = all.filter((file) => !first.includes(file)).toSorted()
  return [...first, ...others].map((file) => page(`${name}/${file}`))
}

export default withMermaid({
  title: "compute_ctl",
  description: "Turns an empty machine into a running Neon compute and supervises its Postgres",
  // A link to a page that is not there fails the build.
  ignoreDeadLinks: false,
  cleanUrls: true,
  head: [["link", { rel: "icon", href: "data:," }]],
  mermaid: { sequence: { actorMargin: 24, width: 120 } },
  themeConfig: {
    outline: [2, 3],
    search: { provider: "local" },
    nav: [
      { text: "Concepts", link: "/concepts" },
      { text: "Behaviour", link: "/behaviour/start" },
      { text: "Reference", link: "/reference/command-lines" },
      { text: "Runbooks", link: "/runbooks/" }
    ],
    sidebar: [
      { text: "Start here", items: ["index", "concepts"].map(page) },
      // In the order in which a compute meets them.
      { text: "Behaviour", items: folder("behaviour", "start", "reconfigure", "refresh", "promote", "stop") },
      { text: "Operating", items: ["control-plane", "moving", "differences", "stability", "performance", "security"].map(page) },
      { text: "Reference", items: folder("reference", "command-lines", "environment", "exit-codes"), collapsed: true },
      { text: "Runbooks", items: folder("runbooks", "index"), collapsed: true }
    ]
  }
})
